/* Evidence of a mark when the model is at hand: likelihood ratios whose mean is 1 by chance. Pure functions. */
#ifndef XOE_MARK_EVIDENCE_H
#define XOE_MARK_EVIDENCE_H

enum { XOE_EVIDENCE_SHARES = 3 };

/* How much likelier the value u of a token is under Gumbel-max than by chance, when a model gives the token about p; 1 when
 * that is unknown (p ≤ 0). Mean over u uniform in (0,1): 1, whatever p is. */
double xoe_gumbel_ratio(double u, double p);

/* A product of ratios, for several shares of tokens that someone replaced. Zeroed is empty. */
typedef struct xoe_evidence {
    double ln[XOE_EVIDENCE_SHARES];
} xoe_evidence;
void xoe_evidence_add(xoe_evidence *e, double ratio);
/* ln of a ratio's factor in the product for share k < XOE_EVIDENCE_SHARES; its mean is 1 by chance too. */
double xoe_evidence_ln_factor(int k, double ratio);
/* ln of an upper bound of P(evidence as strong by chance). */
double xoe_evidence_ln_p(const xoe_evidence *e);

/* Weight of a token in the weighted sum: g/(1 + g), g = xoe_mark_gain(p); 0 when p is unknown. */
double xoe_evidence_weight(double p);

#endif
