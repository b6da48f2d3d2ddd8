/* A word is given up where a token begins it and another ends it; one that the paraphraser begins with a part of a word is completed by
 * what it expects to follow. Names, numbers, quotations and contractions stay. */
#include "flow/rephrase_words.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/queue_pause.h"
#include "flow/quoted.h"
#include "flow/rephrase_prompt.h"

#define PROBABILITY_MIN 0.01
#define LOSS_MAX 5.0           /* nats */
#define COMPLETES_MIN (-0.7f)  /* nats: more likely than not */
enum { TOP = 12, AFTER = 5 /* tokens of the source that are read after the word */, PARTS_MAX = 3 /* tokens a word */, SKIP_MAX = 3 /* tokens that go with it */ };

/* Tokens [at, next) of the source, bytes [first, end): a word, and what may begin another one. */
struct place {
    size_t at, next, first, end;
    int32_t id;
    float logprob;
};

struct reading {
    const xoe_rephrase_opts *o;
    const char *source;
    size_t n, n_prompt, n_tokens;
    const int32_t *tokens;
    int32_t *all;     /* [n_prompt + n_tokens + PARTS_MAX] the prompt, then what is read */
    float *logprobs;  /* [n_tokens] of the source */
    size_t *bytes;    /* [n_tokens + 1] of the source, where each of its tokens begins */
};

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* First byte of a word among its bytes: after the space that tokens begin with. */
static const char *word_of(const char *token, size_t *n)
{
    size_t space = *n && *token == ' ';
    *n -= space;
    return token + space;
}

static bool all_letters(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!is_letter(s[i]) || (i > 0 && isupper((unsigned char)s[i]))) return false;
    return n > 0;
}

/* May the word at s[first, end) be another one? Capitals elsewhere than at the beginning of a sentence are names. */
static bool may_change(const char *s, size_t n, size_t first, size_t end)
{
    static const char joins[] = "'-_/@`";
    if (!all_letters(s + first, end - first)) return false;
    if (first > 0 && s[first - 1] != ' ' && s[first - 1] != '(' && s[first - 1] != '\n') return false;
    if (end < n && (isdigit((unsigned char)s[end]) || strchr(joins, s[end]))) return false;
    bool begins = first == 0 || (first > 1 && strchr(".!?:", s[first - 2]));
    return begins || !isupper((unsigned char)s[first]);
}

static int by_logprob(const void *a, const void *b)
{
    float x = ((const struct place *)a)->logprob, y = ((const struct place *)b)->logprob;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int by_loss(const void *a, const void *b)
{
    double x = ((const xoe_word_choice *)a)->loss, y = ((const xoe_word_choice *)b)->loss;
    return x < y ? -1 : x > y ? 1 : 0;
}

static xoe_err read_tokens(const struct reading *r, size_t n_prefix, size_t n, float *logprobs, xoe_token_prob *top, int n_top, xoe_error *e)
{
    xoe_err rc;
    while ((rc = xoe_engine_score_top(r->o->paraphraser, r->all, r->n_prompt + n, r->n_prompt + n_prefix, r->o->priority, logprobs, top, n_top, e)) == XOE_EBUSY)
        if ((rc = xoe_queue_pause(r->o->deadline_mono_ms, r->o->canceled, r->o->ud, e))) break;
    return rc;
}

/* Could this token begin another word than the one that stands there? */
static bool differs(const xoe_engine *en, int32_t id, const char *old, size_t n_old, bool space)
{
    char s[XOE_WORD_BYTES];
    size_t n = xoe_engine_token_bytes(en, id, false, s, sizeof s);
    if (n == 0 || n >= sizeof s || (*s == ' ') != space) return false;
    const char *w = word_of(s, &n);
    if (!all_letters(w, n) || (isupper((unsigned char)*w) != 0) != (isupper((unsigned char)*old) != 0)) return false;
    return n > n_old || memcmp(w, old, n) != 0; /* the old word's own beginning leads back to it */
}

static void place_tokens(struct reading *r)
{
    char s[XOE_WORD_BYTES];
    r->bytes[0] = 0;
    for (size_t i = 0; i < r->n_tokens; i++)
        r->bytes[i + 1] = r->bytes[i] + xoe_engine_token_bytes(r->o->paraphraser, r->tokens[i], false, s, sizeof s);
}

/* What else could begin each word of the source: returns how many, the most likely first. */
static size_t find_places(const struct reading *r, const xoe_token_prob *top, struct place *out, size_t max)
{
    size_t n = 0, quoted_end = 0;
    const size_t *bytes = r->bytes;
    if (bytes[r->n_tokens] != r->n) return 0; /* tokens that are not the text's bytes tell no places in it */
    for (size_t i = 0; i < r->n_tokens; i++) {
        size_t first = bytes[i], next = i + 1;
        quoted_end = xoe_quoted_until(r->source, r->n, first, bytes[i + 1], quoted_end);
        bool space = r->source[first] == ' ';
        first += space;
        size_t end = first;
        while (end < r->n && is_letter(r->source[end]))
            end++;
        while (next < r->n_tokens && bytes[next] < end)
            next++;
        if (first < quoted_end || bytes[next] != end || !may_change(r->source, r->n, first, end)) continue;
        for (int k = 0; k < TOP && n < max; k++) {
            const xoe_token_prob *t = &top[i * TOP + (size_t)k];
            if (exp((double)t->logprob) < PROBABILITY_MIN || (double)(r->logprobs[i] - t->logprob) > LOSS_MAX || !differs(r->o->paraphraser, t->id, r->source + first, end - first, space)) continue;
            out[n++] = (struct place){i, next, first, end, t->id, t->logprob};
        }
    }
    qsort(out, n, sizeof *out, by_logprob);
    return n;
}

static bool append(const xoe_engine *en, int32_t id, xoe_word_choice *c)
{
    char s[XOE_WORD_BYTES];
    size_t len = strlen(c->text), n = xoe_engine_token_bytes(en, id, false, s, sizeof s);
    const char *w = s;
    if (n >= sizeof s) return false;
    if (!len) w = word_of(s, &n);
    if (!all_letters(w, n) || len + n >= sizeof c->text || (len && isupper((unsigned char)*w))) return false;
    memcpy(c->text + len, w, n);
    c->text[len + n] = 0;
    return true;
}

/* The prompt's rewrite so far is the source before p and n_word tokens of a word; on it goes at token `rejoin` of the source. *loss: of it all but for
 * the word. *next: what was expected after the word. */
static xoe_err read_on(const struct reading *r, const struct place *p, size_t n_word, size_t rejoin, double *loss, xoe_token_prob *next, xoe_error *e)
{
    float after[AFTER];
    xoe_token_prob best[AFTER];
    size_t n_after = r->n_tokens - rejoin < AFTER ? r->n_tokens - rejoin : AFTER, first = p->at + n_word;
    xoe_err rc = XOE_OK;
    *next = (xoe_token_prob){-1, 0};
    *loss = 0;
    for (size_t i = p->at; i < rejoin + n_after; i++)
        *loss += (double)r->logprobs[i];
    if (n_after == 0) return XOE_OK;
    memcpy(r->all + r->n_prompt + first, r->tokens + rejoin, n_after * sizeof *r->tokens);
    rc = read_tokens(r, first, first + n_after, after, best, 1, e);
    if (rc != XOE_OK) return rc;
    for (size_t i = 0; i < n_after; i++)
        *loss -= (double)after[i];
    *next = best[0];
    return XOE_OK;
}

/* Where the source goes on with this token, when the word takes the place of the words after it as well; p->next: nowhere else. */
static size_t goes_on_at(const struct reading *r, const struct place *p, int32_t id)
{
    for (size_t j = p->next; j < p->next + SKIP_MAX && j + 1 < r->n_tokens; j++) {
        for (size_t k = r->bytes[j]; k < r->bytes[j + 1]; k++)
            if (r->source[k] != ' ' && (!is_letter(r->source[k]) || isupper((unsigned char)r->source[k]))) return p->next;
        if (r->tokens[j + 1] == id && r->source[r->bytes[j + 1]] == ' ') return j + 1;
    }
    return p->next;
}

static bool continues_word(const xoe_engine *en, const xoe_token_prob *t)
{
    char s[XOE_WORD_BYTES];
    return t->id >= 0 && t->logprob >= COMPLETES_MIN && xoe_engine_token_bytes(en, t->id, false, s, sizeof s) && is_letter(*s);
}

/* Does the word only drop what stands before it, or is it what stands there? Either says less, or nothing else. */
static bool only_drops(const struct reading *r, const xoe_word_choice *c)
{
    size_t n = strlen(c->text);
    return n <= c->end - c->first && !strncasecmp(r->source + c->end - n, c->text, n) && (c->end - n == c->first || r->source[c->end - n - 1] == ' ');
}

/* Put it there, complete it, and read on in the source. out->loss: INFINITY where that is no word. */
static xoe_err try_word(const struct reading *r, const struct place *p, xoe_word_choice *out, xoe_error *e)
{
    size_t n_word = 0, at;
    xoe_token_prob part = {p->id, p->logprob};
    double word = 0;
    *out = (xoe_word_choice){.first = p->first, .end = p->end, .text = ""};
    memcpy(r->all + r->n_prompt, r->tokens, p->at * sizeof *r->tokens);
    do {
        if (n_word == PARTS_MAX || !append(r->o->paraphraser, part.id, out)) {
            out->loss = INFINITY;
            return XOE_OK;
        }
        r->all[r->n_prompt + p->at + n_word++] = part.id;
        word += (double)part.logprob;
        xoe_err rc = read_on(r, p, n_word, p->next, &out->loss, &part, e);
        if (rc != XOE_OK) return rc;
    } while (continues_word(r->o->paraphraser, &part));
    if (out->loss - word > LOSS_MAX && (at = goes_on_at(r, p, part.id)) != p->next) {
        xoe_err rc = read_on(r, p, n_word, at, &out->loss, &part, e);
        if (rc != XOE_OK) return rc;
        out->end = r->bytes[at];
    }
    out->loss = only_drops(r, out) ? INFINITY : out->loss - word;
    return XOE_OK;
}

xoe_err xoe_words_find(const xoe_rephrase_opts *o, const char *before, size_t n_before, const char *source, size_t n, const int32_t *tokens,
                       size_t n_tokens, int64_t until_mono_ms, xoe_word_choice *out, size_t *n_out, double *quality, xoe_error *e)
{
    struct reading r = {.o = o, .source = source, .n = n, .tokens = tokens, .n_tokens = n_tokens};
    int32_t *prompt = NULL;
    xoe_token_prob *top = NULL;
    struct place *places = NULL;
    size_t n_places = 0, max = n_tokens * TOP;
    *n_out = 0;
    *quality = 0;
    if (!n_tokens) return XOE_OK;
    xoe_err rc = xoe_rephrase_prompt(o->paraphraser, before, n_before, source, n, "", &prompt, &r.n_prompt, e);
    if (rc != XOE_OK) return rc;
    r.all = xoe_malloc((r.n_prompt + n_tokens + PARTS_MAX) * sizeof *r.all);
    r.logprobs = xoe_malloc(n_tokens * sizeof *r.logprobs);
    r.bytes = xoe_malloc((n_tokens + 1) * sizeof *r.bytes);
    top = xoe_malloc(n_tokens * TOP * sizeof *top);
    places = xoe_malloc(max * sizeof *places);
    if (r.all && r.logprobs && r.bytes && top && places) {
        place_tokens(&r);
        memcpy(r.all, prompt, r.n_prompt * sizeof *prompt);
        memcpy(r.all + r.n_prompt, tokens, n_tokens * sizeof *tokens);
        rc = read_tokens(&r, 0, n_tokens, r.logprobs, top, TOP, e);
    } else {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to look for words");
    }
    if (rc == XOE_OK) n_places = find_places(&r, top, places, max);
    for (size_t i = 0; i < n_tokens && rc == XOE_OK; i++)
        *quality += (double)r.logprobs[i] / (double)n_tokens;
    for (size_t i = 0; i < n_places && i < XOE_WORD_CHOICES_MAX && rc == XOE_OK && (!until_mono_ms || xoe_clock_mono_ms() < until_mono_ms); i++) {
        if (o->canceled && o->canceled(o->ud)) rc = xoe_error_set(e, XOE_ECANCELED, "canceled");
        if (rc == XOE_OK) rc = try_word(&r, &places[i], &out[*n_out], e);
        if (rc == XOE_OK && out[*n_out].loss <= LOSS_MAX) ++*n_out;
    }
    qsort(out, *n_out, sizeof *out, by_loss);
    xoe_tokens_free(prompt);
    xoe_free(r.all);
    xoe_free(r.logprobs);
    xoe_free(r.bytes);
    xoe_free(top);
    xoe_free(places);
    return rc;
}
