/* Instruction, examples, the text, and after a refusal what to mind. A small model that is only told to rephrase takes liberties;
 * examples as earlier turns show it how much may change (the order, the construction, some words) and how much may not
 * (everything else): docs/watermark.md has what they bring. They are the same for every chunk and stay in the engine's cache. */
#include "flow/rephrase_prompt.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "flow/adapters.h"
#include "flow/chat_tokens.h"
#include "flow/meaning.h"

enum { LIST_MAX = 300, BEFORE_MAX = 240 /* bytes */ };

static const char instruction[] =
    "You rephrase text. Say the same in other words and with another sentence structure. Keep every fact, number, unit, name, negation and "
    "quotation, and keep the language. Answer with the rephrased text only.";

static const struct {
    const char *before, *source, *rewrite;
} examples[] = {
    {"", "The library will be closed from 3 to 14 August because the heating is being replaced, but books can still be returned through the box at the side entrance.",
     "Since its heating is being replaced, the library stays shut between 3 and 14 August; the box at the side entrance still takes returned books."},
    {"Mr. Adeyemi has run the shop since 2015.", "He told the board that sales had not fallen, although two of the largest customers left in spring.",
     "Sales had not fallen, he reported to the board, even though spring saw the departure of two of the largest customers."},
    {"", "Install the package, then set the variable before you start the server; otherwise it will listen on port 80.",
     "Once the package is installed, set the variable and only then start the server, or else port 80 is where it will listen."},
    {"Compost needs air, water and time.", "A good heap has both green and brown material. Too much of the green kind makes it wet and smelly.",
     "Green and brown material both belong in a good heap. If there is too much of the green kind, the heap turns wet and starts to smell."},
};

/* What the adapter was trained with (tools/train_paraphraser.py): it needs no examples. */
static const char adapted_instruction[] = "You rephrase text: the same in other words, nothing lost, nothing added.";

/* What to tell the next try, by a part of the last one's reason; lists: name what must be kept too. */
static const struct hint {
    const char *part, *text;
    bool lists;
} hints[] = {
    {"number", " Keep all its numbers exactly.", true},
    {"unit", " Keep all its numbers and units exactly.", false},
    {"name", " Keep all its names exactly, and add none.", true},
    {"negation", " Keep each \"not\", \"no\" and \"never\".", false},
    {"roles", " Keep who does what to whom.", false},
    {"possibility", " Keep each \"may\" and \"might\".", false},
    {"opposite", " Do not turn anything into its opposite.", false},
    {"quotation", " Keep what stands in quotation marks word by word.", false},
    {"code", " Keep what stands in backticks as it is.", false},
    {"address", " Keep addresses as they are.", false},
    {"language", " Keep its language.", false},
    {"too long", " Keep about its length.", false},
    {"too short", " Keep about its length, and leave nothing out.", false},
    {"layout", " Write it as one paragraph.", false},
    {"meaning", " Stay close to its meaning: who does what to whom, when and why.", false},
    {"", "", false},
};

static const struct hint *hint_for(const char *reason)
{
    const struct hint *h = hints;
    while (!strstr(reason, h->part))
        h++;
    return h;
}

static json_t *request(const char *before, size_t n_before, const char *source, size_t n, const char *hint, const char *list)
{
    return json_sprintf("%s%.*s%sRephrase this text.%s%s%s%s\n\n%.*s", n_before ? "The text before it, only for your information: " : "", (int)n_before, before,
                        n_before ? "\n\n" : "", hint, *list ? " These words must be in it: " : "", list, *list ? "." : "", (int)n, source);
}

const char *xoe_rephrase_before(const char *text, size_t n, size_t *n_before)
{
    size_t from = n > BEFORE_MAX ? n - BEFORE_MAX : 0, end = n;
    for (bool cut = from > 0; cut && from < end; from++)
        cut = !isspace((unsigned char)text[from]);
    while (end > from && text[end - 1] == ' ')
        end--;
    for (size_t i = from; i < end; i++)
        if (text[i] == '\n') from = i + 1;
    *n_before = end > from ? end - from : 0;
    return *n_before ? text + from : "";
}

xoe_err xoe_rephrase_prompt(const xoe_engine *en, const char *before, size_t n_before, const char *source, size_t n, const char *last_reason,
                            int32_t **tokens, size_t *n_tokens, xoe_error *e)
{
    const struct hint *h = hint_for(last_reason);
    xoe_buf keep;
    xoe_buf_init(&keep, LIST_MAX);
    if (h->lists) xoe_meaning_must_keep(source, n, &keep);
    xoe_engine_info info;
    xoe_engine_get_info(en, &info);
    bool adapted = info.adapter == XOE_TO_REPHRASE;
    json_t *chat = json_array();
    int bad = xoe_chat_turn(chat, "system", json_string(adapted ? adapted_instruction : instruction));
    for (size_t i = 0; i < sizeof examples / sizeof *examples && !adapted; i++) {
        bad |= xoe_chat_turn(chat, "user", request(examples[i].before, strlen(examples[i].before), examples[i].source, strlen(examples[i].source), "", ""));
        bad |= xoe_chat_turn(chat, "assistant", json_string(examples[i].rewrite));
    }
    bad |= xoe_chat_turn(chat, "user", request(before, n_before, source, n, h->text, keep.failed ? "" : xoe_buf_cstr(&keep))); /* a list too long is none */
    xoe_buf_free(&keep);
    char *text = bad ? NULL : json_dumps(chat, JSON_COMPACT);
    json_decref(chat);
    xoe_err rc = text ? xoe_chat_tokens(en, text, tokens, n_tokens, e) : xoe_error_set(e, XOE_EINVAL, "the text to rephrase is not UTF-8, or there is no memory");
    free(text);
    return rc;
}
