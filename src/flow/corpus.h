/* The owner's own text, cut into passages: every .txt and .md file under a folder. Symbolic links are not
 * followed. Thread: the caller's; nothing is kept. */
#ifndef XOE_FLOW_CORPUS_H
#define XOE_FLOW_CORPUS_H

#include <stddef.h>
#include "xoe/error.h"

enum {
    XOE_CORPUS_FILE_MAX = 64 << 20,  /* bytes of a file that is read */
    XOE_CORPUS_FILES_MAX = 200000,
    XOE_CORPUS_DEPTH_MAX = 32,       /* folders inside folders */
    XOE_CORPUS_WORD_BYTES = 12,      /* a passage is at most so many bytes times its words: text without blanks */
};

typedef struct xoe_corpus_stats {
    size_t n_files, n_skipped;   /* skipped: not UTF-8, too large or unreadable */
    size_t n_passages, n_repeated; /* repeated: a passage that stood before, not given again */
    unsigned long long n_bytes;  /* of the files read */
} xoe_corpus_stats;

typedef struct xoe_corpus_visitor {
    /* One passage. An error ends the walk and is its result. */
    xoe_err (*passage)(void *ud, const char *text, size_t n, xoe_error *e);
    /* After each passage: what was done so far, of n_bytes in all. May be NULL. */
    void (*progress)(void *ud, const xoe_corpus_stats *so_far, unsigned long long n_bytes_in_all);
    void *ud;
} xoe_corpus_visitor;

/* words: of a passage; what is left at a file's end counts when it is at least half of that.
 * Errors: XOE_ENOTFOUND (no such folder), XOE_EINVAL (no such file in it), XOE_ELIMIT (too many files),
 * XOE_ENOMEM, the visitor's. */
xoe_err xoe_corpus_walk(const char *folder, size_t words, const xoe_corpus_visitor *v, xoe_corpus_stats *out, xoe_error *e);

/* The next passage of text: its bytes, and in *words how many words it has. For tests. */
size_t xoe_corpus_cut(const char *text, size_t n, size_t words, size_t *words_out);

#endif
