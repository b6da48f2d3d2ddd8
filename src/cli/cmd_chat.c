/* xoe chat: talk to the model in the terminal. One prompt (operand or pipe) gives one answer on standard
 * output; without one, a conversation. Everything goes the same way as the server's: marked, audited. */
#include "cli/cli.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/interrupt.h"
#include "cli/lineedit.h"
#include "cli/request_id.h"
#include "cli/verdict.h"
#include "flow/app.h"
#include "flow/completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct session {
    const cli_args *a;
    xoe_app *app;
    json_t *messages;   /* the conversation so far */
    const char *system; /* NULL: none */
    xoe_mark_mode mode, marked_mode;
    float temperature;
    int max_tokens;
    bool interactive;
    xoe_buf last; /* the last answer */
} session;

static const char help_text[] = "  /help          this\n"
                                "  /reset         forget the conversation\n"
                                "  /mark on|off   mark the answers, or not\n"
                                "  /detect        look for the mark in the last answer\n"
                                "  /quit          leave (or Ctrl-D)\n"
                                "  Ctrl-C stops an answer.\n";

static void reset(session *s)
{
    json_array_clear(s->messages);
    if (s->system)
        json_array_append_new(s->messages, json_pack("{s:s, s:s}", "role", "system", "content", s->system));
    xoe_buf_reset(&s->last);
}

static int on_piece(const xoe_completion_piece *p, void *ud)
{
    const session *s = ud;
    if (s->a->json) return 0;
    fwrite(p->text, 1, p->n, stdout);
    return fflush(stdout) ? -1 : 0;
}

static int print_answer(const session *s, const xoe_completion_result *r)
{
    const xoe_choice *c = &r->choices[0];
    if (s->a->json)
        return cli_print_json(json_pack(
            "{s:s%, s:s, s:b, s:s, s:f, s:i, s:i, s:f}", "text", c->text, c->n, "finish_reason", c->finish_reason,
            "is_watermarked", (int)c->is_watermarked, "key_id", r->key_id, "log10_p", c->log10_p, "prompt_tokens",
            r->prompt_tokens, "completion_tokens", r->completion_tokens, "ms", r->total_ms));
    if (!c->n || c->text[c->n - 1] != '\n') putchar('\n');
    if (s->interactive && !s->a->quiet) {
        double s_predicted = r->predicted_ms / 1000;
        bool colours = cli_colours(STDERR_FILENO);
        fprintf(stderr, "%s[%d tokens, %.1f a second, ", colours ? "\033[2m" : "", r->completion_tokens,
                s_predicted > 0 ? r->completion_tokens / s_predicted : 0.0);
        if (c->is_watermarked)
            fprintf(stderr, "marked, p 10^%.1f", c->log10_p);
        else
            fprintf(stderr, "not marked%s%s", c->unmarked_reason && *c->unmarked_reason ? ": " : "",
                    c->unmarked_reason ? c->unmarked_reason : "");
        fprintf(stderr, "]%s\n", colours ? "\033[0m" : "");
    }
    return cli_finish_output(CLI_DONE);
}

/* One turn. An answer that was stopped is forgotten together with its question. */
static int turn(session *s, const char *prompt, size_t n)
{
    char id[CLI_REQUEST_ID_MAX];
    xoe_error e = XOE_ERROR_INIT;
    xoe_completion_result r;
    int rc = CLI_FAILED;
    memset(&r, 0, sizeof r);
    json_array_append_new(s->messages, json_pack("{s:s, s:s%}", "role", "user", "content", prompt, n));
    char *messages = json_dumps(s->messages, JSON_COMPACT);
    xoe_cancel *cancel = xoe_cancel_new();
    if (!messages || !cancel) {
        cli_complain("out of memory");
        goto out;
    }
    cli_request_id("chat", id);
    xoe_chat_inputs in = {.messages_json = messages};
    xoe_completion_request req = {.engine = s->app->chat, .request_id = id, .user = "local", .chat = &in,
                                  .sampling = XOE_SAMPLING_INIT, .n = 1, .max_tokens = s->max_tokens, .n_probs = -1, .mark_mode = s->mode,
                                  .priority = XOE_PRIORITY_INTERACTIVE};
    req.sampling.temperature = s->temperature;
    req.sampling.top_p = 0.95f;
    cli_interrupt_target(cancel);
    xoe_err err = xoe_completion_run(s->app, &req, cancel, on_piece, s, &r, &e);
    cli_interrupt_target(NULL);
    if (!err) {
        const xoe_choice *c = &r.choices[0];
        xoe_buf_reset(&s->last);
        xoe_buf_add(&s->last, c->text, c->n);
        json_array_append_new(s->messages, json_pack("{s:s, s:s%}", "role", "assistant", "content", c->text, c->n));
        rc = print_answer(s, &r);
    } else {
        json_array_remove(s->messages, json_array_size(s->messages) - 1);
        if (err == XOE_ECANCELED && !s->a->json) putchar('\n');
        if (err == XOE_ECANCELED)
            cli_complain("stopped");
        else
            cli_fail(&e);
    }
out:
    xoe_cancel_free(cancel);
    xoe_completion_result_clear(&r);
    free(messages);
    return rc;
}

static void detect_last(const session *s)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_text_verdict v = {0};
    xoe_text_detect_opts opts = {.fpr = s->a->config.fpr, .spans = true, .tokens = true};
    bool colours = cli_colours(STDOUT_FILENO);
    if (!s->last.len) {
        cli_complain("there is no answer yet");
        return;
    }
    if (xoe_detect_text(s->app->chat, s->app->keyring, s->last.data, s->last.len, &opts, &v, &e)) {
        cli_fail(&e);
        return;
    }
    cli_print_verdict(stdout, &v, opts.fpr, colours);
    cli_print_heat(stdout, &v, s->last.data, s->last.len, colours);
    xoe_text_verdict_clear(&v);
}

/* A line that starts with '/'. False: leave. */
static bool command(session *s, const char *line)
{
    if (!strcmp(line, "/quit") || !strcmp(line, "/exit")) return false;
    if (!strcmp(line, "/help"))
        fputs(help_text, stderr);
    else if (!strcmp(line, "/reset"))
        reset(s);
    else if (!strcmp(line, "/detect"))
        detect_last(s);
    else if (!strcmp(line, "/mark on"))
        s->mode = s->marked_mode;
    else if (!strcmp(line, "/mark off") && s->a->config.enforce)
        cli_complain("the configuration says enforce: answers stay marked");
    else if (!strcmp(line, "/mark off"))
        s->mode = XOE_MARK_OFF;
    else if (!strcmp(line, "/mark"))
        fprintf(stderr, "  answers are %s\n", s->mode == XOE_MARK_OFF ? "not marked" : "marked");
    else
        cli_complain("unknown command %.40s; /help lists them", line);
    return true;
}

static int converse(session *s)
{
    xoe_engine_info info;
    xoe_engine_get_info(s->app->chat, &info);
    if (!s->a->quiet) fprintf(stderr, "%s: /help lists the commands, Ctrl-D leaves.\n", info.name);
    cli_history_open(s->a->config.data);
    cli_interrupt_keep();
    for (bool go_on = true; go_on;) {
        char *line = cli_read_line("> ");
        if (!line) break;
        size_t blank = strspn(line, " \t");
        if (line[blank] == '/')
            go_on = command(s, line + blank);
        else if (line[blank])
            turn(s, line, strlen(line)); /* an error was told; the conversation goes on */
        free(line);
    }
    if (isatty(STDIN_FILENO)) fputc('\n', stderr);
    cli_history_close();
    return CLI_DONE;
}

static xoe_mark_mode mode_of(const char *name)
{
    return !strcmp(name, "rephrase") ? XOE_MARK_REPHRASE : !strcmp(name, "off") ? XOE_MARK_OFF : XOE_MARK_GENERATE;
}

/* The one prompt of the operands or the pipe, in b. CLI_GO_ON, or the exit status. */
static int one_prompt(const cli_args *a, xoe_buf *b)
{
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf_init(b, (size_t)a->config.max_body_bytes);
    for (int i = 0; i < a->n_operands; i++)
        xoe_buf_printf(b, "%s%s", i ? " " : "", a->operands[i]);
    if (!a->n_operands && xoe_file_read("-", b, &e)) return cli_fail(&e);
    while (b->len && strchr("\r\n", b->data[b->len - 1]))
        b->data[--b->len] = 0;
    if (b->failed || !b->len || !xoe_utf8_valid(b->data, b->len)) {
        cli_complain(b->failed ? "the prompt is too long" : b->len ? "the prompt is not UTF-8 text" : "the prompt is empty");
        return CLI_FAILED;
    }
    return CLI_GO_ON;
}

static int read_options(const cli_command *cmd, const char *temperature, const char *max_tokens, session *s)
{
    char *end;
    if (temperature) {
        s->temperature = strtof(temperature, &end);
        if (end == temperature || *end || !(s->temperature >= 0 && s->temperature <= 2))
            return cli_misuse(cmd, "--temperature: \"%.30s\" is not between 0 and 2", temperature);
    }
    if (max_tokens) {
        long v = strtol(max_tokens, &end, 10);
        if (end == max_tokens || *end || v < 1 || v > 1000000)
            return cli_misuse(cmd, "--max-tokens: \"%.30s\" is not a whole number above 0", max_tokens);
        s->max_tokens = (int)v;
    }
    return CLI_GO_ON;
}

int cmd_chat(const cli_command *cmd, int argc, char **argv)
{
    const char *system = NULL, *temperature = NULL, *max_tokens = NULL;
    const cli_option own[] = {
        {"system", "TEXT", "instructions that come before the conversation", &system, NULL},
        {"temperature", "X", "0 gives the likeliest answer and carries no mark [0.7]", &temperature, NULL},
        {"max-tokens", "N", "longest answer [1024]", &max_tokens, NULL},
    };
    cli_args a;
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf prompt = {0};
    session s = {.a = &a, .temperature = 0.7f, .max_tokens = 1024};
    int rc = cli_parse(&a, cmd, own, sizeof own / sizeof *own, argc, argv);
    if (rc != CLI_GO_ON) return rc;
    if ((rc = read_options(cmd, temperature, max_tokens, &s)) != CLI_GO_ON) {
        cli_args_free(&a);
        return rc;
    }
    s.interactive = !a.n_operands && isatty(STDIN_FILENO);
    if (s.interactive && a.json) {
        cli_args_free(&a);
        return cli_misuse(cmd, "chat --json needs a prompt, as an operand or through a pipe");
    }
    s.system = system;
    s.messages = json_array();
    s.mode = mode_of(a.config.watermark);
    s.marked_mode = s.mode == XOE_MARK_OFF ? XOE_MARK_GENERATE : s.mode;
    xoe_buf_init(&s.last, 16 << 20);
    reset(&s);
    if (!s.interactive && (rc = one_prompt(&a, &prompt)) != CLI_GO_ON) goto out;
    int parts = XOE_APP_CHAT | XOE_APP_AUDIT;
    if (s.mode == XOE_MARK_REPHRASE) parts |= XOE_APP_PARAPHRASE | XOE_APP_EMBED;
    if (cli_interrupt_open()) {
        cli_complain("cannot start a thread");
        rc = CLI_FAILED;
        goto out;
    }
    if (xoe_app_open(&s.app, &a.config, parts, &e))
        rc = cli_fail(&e);
    else
        rc = s.interactive ? converse(&s) : turn(&s, prompt.data, prompt.len);
out:
    xoe_app_close(s.app);
    cli_interrupt_close();
    json_decref(s.messages);
    xoe_buf_free(&s.last);
    xoe_buf_free(&prompt);
    cli_args_free(&a);
    return rc;
}
