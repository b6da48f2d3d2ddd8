/* The meaning check, after what needs no model; and fluency, for texts that nobody wrote as a whole. */
#include "flow/rephrase_candidate.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "flow/meaning_model.h"

#define QUALITY_LOSS 0.2 /* nats a token */
#define GAIN_FULL 20.0   /* score over chance */

int xoe_candidate_by_worth(const void *a, const void *b)
{
    const xoe_candidate *x = a, *y = b;
    double more = fmin(y->gain, GAIN_FULL) / GAIN_FULL + y->quality - fmin(x->gain, GAIN_FULL) / GAIN_FULL - x->quality;
    return more > 0 ? 1 : more < 0 ? -1 : 0;
}

xoe_err xoe_candidate_judge(const xoe_rephrase_opts *o, const char *source, size_t n, xoe_candidate *c, xoe_error *e)
{
    xoe_meaning *v = &c->verdict;
    xoe_err rc = XOE_OK;
    *v = (xoe_meaning){.reason = "", .method = "", .similarity = NAN, .score = NAN};
    if (!c->ended)
        v->reason = "the paraphraser did not end";
    else if (memchr(c->text, '\n', c->n) && !memchr(source, '\n', n))
        v->reason = "the rewrite has another layout";
    else if (!xoe_utf8_valid(c->text, c->n))
        v->reason = "the rewrite is not UTF-8";
    if (!*v->reason) {
        xoe_meaning_opts mo = {.embedder = o->embedder, .model = o->judge, .priority = o->priority, .deadline_mono_ms = o->deadline_mono_ms, .margin = c->margin};
        rc = xoe_meaning_check(&mo, source, n, c->text, c->n, v, e);
    }
    c->good = rc == XOE_OK && !*v->reason;
    return rc;
}

xoe_err xoe_candidate_reads_well(const xoe_rephrase_opts *o, const char *source, size_t n, double worst, xoe_candidate *c, xoe_error *e)
{
    double surprises;
    xoe_err rc = xoe_meaning_likelihood(o->paraphraser, source, n, c->text, c->n, o->priority, o->deadline_mono_ms, &c->quality, &surprises, e);
    c->good = rc == XOE_OK && surprises == 0 && (worst == 0 || c->quality >= worst - QUALITY_LOSS);
    return rc;
}
