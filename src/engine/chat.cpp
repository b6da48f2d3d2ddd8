/* The shim over llama.cpp's chat templates, tool grammars and answer parsers, and its JSON schema to
 * GBNF converter. No exception leaves this file; JSON travels as text. */
#include "engine/chat.h"

#include <cctype>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <regex>
#include <string>
#include <vector>

#include <chat.h> /* llama.cpp's */
#include <common.h>
#include "engine/internal.h"
#include <json-schema-to-grammar.h>

extern "C" {
#include "base/mem.h"
}

struct xoe_chat_templates {
    common_chat_templates_ptr t;
};

struct xoe_chat {
    common_chat_params params;
    common_chat_parser_params parser;
    std::vector<std::string> patterns;
    std::vector<const char *> pattern_ptrs, stop_ptrs;
    std::vector<int32_t> trigger_tokens, preserved, prefill;
};

/* Templates are told the date, and llama.cpp takes it from localtime, whose buffer all threads share. */
static std::mutex one_template_at_a_time;

static xoe_err from_exception(xoe_error *e, const char *param, const char *what)
{
    return xoe_error_param(e, XOE_EINVAL, param, "%s: %.180s", param, what);
}

extern "C" xoe_chat_templates *xoe_chat_templates_new(const llama_model *model)
{
    try {
        if (!llama_model_chat_template(model, nullptr)) return nullptr;
        std::lock_guard<std::mutex> lock(one_template_at_a_time);
        return new xoe_chat_templates{common_chat_templates_init(model, "")};
    } catch (const std::exception &) {
        return nullptr;
    }
}

extern "C" void xoe_chat_templates_delete(xoe_chat_templates *t)
{
    delete t;
}

static std::string anchored(const std::string &p)
{
    std::string s = p;
    if (s.empty()) return "^$";
    if (s.front() != '^') s = "^" + s;
    if (s.back() != '$') s += "$";
    return s;
}

/* With tool_choice required llama.cpp's grammar still lets a text of any length precede the call, and small
 * models never come to an end of it: "root ::= … until-7? tool-calls" loses its "until-7?". */
static void drop_preamble(std::string &grammar)
{
    static const std::regex preamble("until-[0-9]+\\? (?=tool-call)");
    size_t root = grammar.find("root ::= ");
    if (root == std::string::npos || (root && grammar[root - 1] != '\n')) return;
    size_t end = grammar.find('\n', root);
    if (end == std::string::npos) end = grammar.size();
    grammar.replace(root, end - root, std::regex_replace(grammar.substr(root, end - root), preamble, ""));
}

/* llama.cpp's grammar lets calls with tags of their own repeat even when parallel calls are not asked for. */
static void only_one_call(std::string &grammar)
{
    static const std::regex many("\\ntool-calls ::= \\(tool-call\\?? space\\)\\+\\n");
    grammar = std::regex_replace(grammar, many, "\ntool-calls ::= tool-call\n");
}

/* Grammars of formats and tool calls begin with what the template has already put at the prompt's end
 * (llama.cpp common/sampling.cpp, common_sampler_init: "prefill"). Some tokenizers put a space first. */
static void read_prefill(xoe_chat &c, const xoe_engine *en)
{
    const std::string &text = c.params.generation_prompt;
    if (text.empty() || c.params.grammar.empty() || c.params.grammar_lazy) return;
    auto ids = common_tokenize(en->vocab, text, false, true);
    for (size_t i = 0; i < ids.size(); i++) {
        std::string piece = common_token_to_piece(en->vocab, ids[i], true);
        if (i == 0 && !piece.empty() && std::isspace((unsigned char)piece[0]) && !std::isspace((unsigned char)text[0]))
            continue;
        c.prefill.push_back(ids[i]);
    }
}

static void read_triggers(xoe_chat &c, const xoe_engine *en)
{
    for (const auto &t : c.params.grammar_triggers) {
        switch (t.type) {
        case COMMON_GRAMMAR_TRIGGER_TYPE_WORD: {
            auto ids = common_tokenize(en->vocab, t.value, false, true);
            bool preserved = false;
            for (const auto &p : c.params.preserved_tokens)
                preserved = preserved || p == t.value;
            if (ids.size() == 1 && preserved)
                c.trigger_tokens.push_back(ids[0]);
            else
                c.patterns.push_back(regex_escape(t.value));
            break;
        }
        case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN:
            c.patterns.push_back(t.value);
            break;
        case COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL:
            c.patterns.push_back(anchored(t.value));
            break;
        case COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN:
            c.trigger_tokens.push_back(t.token);
            break;
        }
    }
    for (const auto &p : c.patterns)
        c.pattern_ptrs.push_back(p.c_str());
    for (const auto &p : c.params.preserved_tokens) {
        auto ids = common_tokenize(en->vocab, p, false, true);
        if (ids.size() == 1) c.preserved.push_back(ids[0]);
    }
    for (const auto &s : c.params.additional_stops)
        c.stop_ptrs.push_back(s.c_str());
}

extern "C" xoe_err xoe_chat_render(xoe_chat **out, const xoe_engine *en, const xoe_chat_inputs *in, xoe_error *e)
{
    *out = nullptr;
    if (!en->templates)
        return xoe_error_param(e, XOE_EUNSUPPORTED, "messages", "%s has no chat template; use /v1/completions, or an instruction-tuned model", en->name);
    const char *part = "messages";
    try {
        common_chat_templates_inputs inputs;
        inputs.messages = common_chat_msgs_parse_oaicompat(common_json::parse(in->messages_json));
        if (in->tools_json) {
            part = "tools";
            inputs.tools = common_chat_tools_parse_oaicompat(common_json::parse(in->tools_json));
        }
        if (in->tool_choice) {
            part = "tool_choice";
            inputs.tool_choice = common_chat_tool_choice_parse_oaicompat(in->tool_choice);
        }
        part = in->json_schema ? "response_format" : in->tools_json ? "tools" : "messages";
        if (in->json_schema) inputs.json_schema = in->json_schema;
        if (in->grammar) inputs.grammar = in->grammar;
        inputs.parallel_tool_calls = in->parallel_tool_calls;
        inputs.enable_thinking = in->enable_thinking;
        auto *c = new xoe_chat;
        try {
            {
                std::lock_guard<std::mutex> lock(one_template_at_a_time);
                c->params = common_chat_templates_apply(en->templates->t.get(), inputs);
            }
            c->parser = common_chat_parser_params(c->params);
            c->parser.parse_tool_calls = in->tools_json != nullptr;
            if (!c->params.parser.empty()) c->parser.parser.load(c->params.parser);
            if (inputs.tool_choice == COMMON_CHAT_TOOL_CHOICE_REQUIRED) drop_preamble(c->params.grammar);
            if (!in->parallel_tool_calls) only_one_call(c->params.grammar);
            read_triggers(*c, en);
            read_prefill(*c, en);
        } catch (...) {
            delete c;
            throw;
        }
        *out = c;
        return XOE_OK;
    } catch (const std::bad_alloc &) {
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a prompt");
    } catch (const std::exception &ex) {
        return from_exception(e, part, ex.what());
    }
}

extern "C" void xoe_chat_close(xoe_chat *c)
{
    delete c;
}

extern "C" const char *xoe_chat_prompt(const xoe_chat *c, size_t *n)
{
    *n = c->params.prompt.size();
    return c->params.prompt.c_str();
}

extern "C" void xoe_chat_apply_grammar(const xoe_chat *c, xoe_sampling *s)
{
    s->preserved_tokens = c->preserved.data();
    s->n_preserved_tokens = c->preserved.size();
    if (c->params.grammar.empty()) return;
    s->grammar = c->params.grammar.c_str();
    s->grammar_prefill = c->prefill.data();
    s->n_grammar_prefill = c->prefill.size();
    s->grammar_lazy = c->params.grammar_lazy;
    s->grammar_trigger_patterns = c->pattern_ptrs.data();
    s->n_grammar_trigger_patterns = c->pattern_ptrs.size();
    s->grammar_trigger_tokens = c->trigger_tokens.data();
    s->n_grammar_trigger_tokens = c->trigger_tokens.size();
}

extern "C" size_t xoe_chat_stops(const xoe_chat *c, const char *const **out)
{
    *out = c->stop_ptrs.data();
    return c->stop_ptrs.size();
}

extern "C" xoe_err xoe_chat_parse(const xoe_chat *c, const char *text, size_t n, bool partial, char **out_json, xoe_error *e)
{
    *out_json = nullptr;
    try {
        auto msg = common_chat_parse(std::string(text, n), partial, c->parser);
        auto json = msg.to_json_oaicompat();
        std::string s = json.dump();
        *out_json = xoe_strndup(s.data(), s.size());
        return *out_json ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory for an answer");
    } catch (const std::bad_alloc &) {
        return xoe_error_set(e, XOE_ENOMEM, "no memory for an answer");
    } catch (const std::exception &ex) {
        return xoe_error_set(e, XOE_EFORMAT, "the answer does not parse: %.180s", ex.what());
    }
}

extern "C" xoe_err xoe_json_schema_to_grammar(const char *schema, char **out_gbnf, xoe_error *e)
{
    *out_gbnf = nullptr;
    try {
        std::string g = json_schema_to_grammar(common_json::parse(schema ? schema : "{\"type\":\"object\"}"));
        *out_gbnf = xoe_strndup(g.data(), g.size());
        return *out_gbnf ? XOE_OK : xoe_error_set(e, XOE_ENOMEM, "no memory for a grammar");
    } catch (const std::bad_alloc &) {
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a grammar");
    } catch (const std::exception &ex) {
        return from_exception(e, "response_format", ex.what());
    }
}
