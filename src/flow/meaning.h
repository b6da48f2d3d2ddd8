/* Does a rewrite still say what its source says? Three kinds of evidence: checks on the words themselves, a
 * cosine of embeddings, and what a language model answers. Plain damage on the words is a veto; the rest is
 * weighed together. docs/watermark.md tells how well that works and how it was calibrated. Thread: safe. */
#ifndef XOE_FLOW_MEANING_H
#define XOE_FLOW_MEANING_H

#include "base/buf.h"
#include "flow/lexicon.h"
#include "xoe/engine.h"

/* ---- words (meaning.c) ----------------------------------------------------------------------- */

typedef struct xoe_meaning_words_report {
    const char *veto;   /* "", or a reason of its own to refuse (static) */
    double swapped;     /* how much two words look to have changed places; 0: not at all (roles.c) */
    int turned;         /* pairs of opposites: only one in the source, only the other in the rewrite */
    int intruded;       /* words of the rewrite whose opposite stands in the source */
    int negations;      /* |difference| of their numbers */
    bool negated;       /* one text has negations, the other none */
    int degrees;        /* "all", "most", "must", "may", "only" …: kinds that came or went */
    double added, lost; /* share of content words of the rewrite (source) without one akin in the other */
} xoe_meaning_words_report;

/* Never fails; without memory the veto says so. */
void xoe_meaning_words(const char *source, size_t n_source, const char *rewrite, size_t n_rewrite, xoe_meaning_words_report *out);
/* Names and numbers of the source, "Anna Berg, 14.5, Graz": what a rewrite must have word by word. Without memory: nothing. */
void xoe_meaning_must_keep(const char *source, size_t n_source, xoe_buf *out);
double xoe_roles_swapped(const xoe_words *source, const xoe_words *rewrite);
/* Share of the source's word trigrams that stand in the rewrite too, 0 to 1. */
double xoe_copied_share(const char *source, size_t n_source, const char *rewrite, size_t n_rewrite);

/* ---- all evidence (meaning_judge.c) ---------------------------------------------------------- */

typedef struct xoe_meaning_opts {
    xoe_engine *embedder; /* NULL: no cosine */
    xoe_engine *model;    /* a chat model, unmarked; NULL: none is asked */
    xoe_priority priority;
    int64_t deadline_mono_ms; /* 0: none */
    double margin;        /* what the score must be at least; 0: the threshold */
} xoe_meaning_opts;

typedef enum xoe_meaning_feature {
    XOE_MEANING_SWAPPED, XOE_MEANING_TURNED, XOE_MEANING_INTRUDED, XOE_MEANING_NEGATIONS, XOE_MEANING_NEGATED, XOE_MEANING_DEGREES, XOE_MEANING_ADDED,
    XOE_MEANING_LOST, XOE_MEANING_COSINE, XOE_MEANING_ASK_MEANING, XOE_MEANING_ASK_FACTS, XOE_MEANING_PROBE,
    XOE_MEANING_BACK, XOE_MEANING_SURPRISES, /* of the source, given the rewrite: see xoe_meaning_likelihood */
    XOE_MEANING_N_FEATURES
} xoe_meaning_feature;

/* score = bias + Σ weight·feature; the bias contains the threshold, so that 0 is where it lies. */
typedef struct xoe_meaning_weights {
    double bias, w[XOE_MEANING_N_FEATURES];
} xoe_meaning_weights;

typedef struct xoe_meaning {
    const char *reason;  /* "": the meaning is kept; else why not (static) */
    const char *method;  /* which evidence there was: "words", then "+cosine", then "+probe" or "+model" */
    double similarity;   /* cosine; NaN: no embedder, or refused before */
    double score;        /* log-odds that the meaning is kept, less the threshold; NaN after a veto */
    double ms;
    double features[XOE_MEANING_N_FEATURES]; /* NaN: not measured */
} xoe_meaning;

extern const char *const xoe_meaning_feature_names[XOE_MEANING_N_FEATURES];

/* Errors: the engines'. */
xoe_err xoe_meaning_check(const xoe_meaning_opts *o, const char *source, size_t n_source, const char *rewrite, size_t n_rewrite,
                          xoe_meaning *out, xoe_error *e);

#endif
