/* The table of subcommands: one row each; `xoe --help`, every `--help` and the dispatch read it. */
#include "cli/cli.h"

#include <string.h>

const cli_command cli_commands[] = {
    {.name = "serve",
     .usage = "serve",
     .summary = "Run the server: OpenAI's API, the page, the detector.",
     .details = "Prints the address of the page once it answers. SIGTERM and Ctrl-C let running answers end first.",
     .config_flags = "*",
     .json = true,
     .max_operands = 0,
     .examples = "xoe serve\n"
                 "xoe serve --port 9000 --model qwen2.5-coder-0.5b-instruct\n"
                 "XOE_API_KEY=secret xoe serve --host 0.0.0.0\n"
                 "xoe serve --port 0 --json",
     .run = cmd_serve},
    {.name = "chat",
     .usage = "chat [PROMPT]",
     .summary = "Talk to the model in the terminal.",
     .details = "Without a prompt a conversation starts (/help lists its commands); a prompt, as an operand or through\n"
                "a pipe, gives one answer. Answers are marked and recorded as the server's are.",
     .config_flags = "models-dir model paraphrase-model rephrase-key aliases threads ctx watermark fpr",
     .json = true,
     .max_operands = CLI_OPERANDS_MAX,
     .examples = "xoe chat\n"
                 "xoe chat \"Why is the sky blue?\"\n"
                 "xoe chat --system \"Answer in French.\" \"Good morning\"\n"
                 "cat question.txt | xoe chat --json",
     .run = cmd_chat},
    {.name = "mark",
     .usage = "mark [FILE|-]",
     .summary = "Rewrite a text so that it carries the mark.",
     .details = "The text is rephrased part by part; a part whose meaning would change is left as it was and reported so.\n"
                "The rewrite goes to standard output.",
     .config_flags = "models-dir paraphrase-model rephrase-key embedding-model threads ctx fpr",
     .json = true,
     .max_operands = 1,
     .examples = "xoe mark letter.txt > marked.txt\n"
                 "xoe mark --report letter.txt > marked.txt\n"
                 "cat letter.txt | xoe mark --json",
     .run = cmd_mark},
    {.name = "detect",
     .usage = "detect [FILE|-]",
     .summary = "Look for marks in a text.",
     .details = "Says whether the text is marked with a key of the keyring, how sure that is, and where. \"cannot carry a\n"
                "mark\" means that the text is too short to tell. The exit status is 0 whatever the verdict.\n"
                "With --scheme it looks for the mark of another program (TextSeal, vLLM, SGLang, Hugging Face) or for one\n"
                "of ours with a key that is not in the keyring; the model that wrote the text is named by --tokenizer, of\n"
                "which only the vocabulary is read. With --weights the model itself reads the text (at most 8,192 tokens) and\n"
                "tells what each token could carry: marks are found in shorter text, and the p-value stays valid.",
     .config_flags = "models-dir model threads ctx fpr",
     .json = true,
     .max_operands = 1,
     .examples = "xoe detect letter.txt\n"
                 "xoe chat \"Tell me a story\" | xoe detect --json\n"
                 "xoe detect --fpr 1e-6 --key spring-2027 letter.txt\n"
                 "xoe detect --weights --model qwen2.5-coder-0.5b-instruct short.txt\n"
                 "xoe detect --scheme list\n"
                 "xoe detect --scheme vllm-gumbel --key 42 --tokenizer qwen2.5-coder-0.5b-instruct letter.txt\n"
                 "xoe detect --scheme textseal-greenlist --key @key.txt --width 2 --dedup pair letter.txt\n"
                 "xoe detect --scheme gumbel --key @hex.txt --shifts 1 letter.txt",
     .run = cmd_detect},
    {.name = "calibrate",
     .usage = "calibrate --corpus DIR",
     .summary = "Measure false alarms on your own unmarked text.",
     .details = "Cuts every .txt and .md file under DIR into passages, looks in each for the keys of the keyring as\n"
                "`xoe detect` does, and tells how many were called marked at 1e-2, 1e-3 and 1e-4, with exact intervals. The\n"
                "result is stored in calibration.json of the data folder, and every verdict tells of it from then on; make\n"
                "it anew after `xoe key rotate`. Exit status 1 when there are more alarms than chance explains.",
     .config_flags = "models-dir model paraphrase-model",
     .json = true,
     .max_operands = 0,
     .examples = "xoe calibrate --corpus ~/letters\n"
                 "xoe calibrate --corpus ~/letters --words 150 --json\n"
                 "xoe calibrate --corpus ~/letters --key spring-2027",
     .run = cmd_calibrate},
    {.name = "key",
     .usage = "key new|list|rotate|retire [ID]",
     .summary = "Make, list, change and retire watermark keys.",
     .details = "new makes a key without using it, rotate makes one and marks with it from now on, retire\n"
                "stops marking with a key. Texts of a retired key are still detected. The bytes of a key are\n"
                "never printed; they are in keys.json of the data folder. Keys for rephrasing (setting rephrase_key)\n"
                "should have 1024 shifts: a text takes the one that suits it best.",
     .config_flags = "",
     .json = true,
     .max_operands = 2,
     .examples = "xoe key list\n"
                 "xoe key new spring-2027\n"
                 "xoe key rotate\n"
                 "xoe key new letters --shifts 1024    (for xoe mark --key letters: rephrased texts carry more)\n"
                 "xoe key retire spring-2027",
     .run = cmd_key},
    {.name = "models",
     .usage = "models list|pull|verify|requantize [NAME…]",
     .summary = "List, get, check and convert model files.",
     .details = "pull without a name gets the defaults for this machine. A download goes on where it stopped, and a\n"
                "file with a wrong sha256 is refused. The sources of a model are tried in order; the one that had it is told.",
     .config_flags = "models-dir",
     .json = true,
     .max_operands = CLI_OPERANDS_MAX,
     .examples = "xoe models list\n"
                 "xoe models pull\n"
                 "xoe models pull qwen2.5-coder-1.5b-instruct\n"
                 "xoe models verify\n"
                 "xoe models requantize smollm2-135m-instruct --type q8_0",
     .run = cmd_models},
    {.name = "audit",
     .usage = "audit verify",
     .summary = "Check that the record of answers is whole.",
     .details = "Every answer left a row in audit.db of the data folder, each chained to the one before. verify finds any\n"
                "change, removal or reorder; the exit status is 1 when there is one.",
     .config_flags = "",
     .json = true,
     .max_operands = 1,
     .examples = "xoe audit verify\n"
                 "xoe audit verify --json --data /srv/xoe",
     .run = cmd_audit},
    {.name = "doctor",
     .usage = "doctor",
     .summary = "Say what is missing and what to do about it.",
     .details = "Looks at folders, keys, models, memory, processor and port, and changes nothing. Exit status 1 when\n"
                "something must be mended before a start.",
     .config_flags = "*",
     .json = true,
     .max_operands = 0,
     .examples = "xoe doctor\nxoe doctor --json --port 9000",
     .run = cmd_doctor},
    {.name = "version",
     .usage = "version",
     .summary = "Print the version of Xoe and of what it stands on.",
     .details = "",
     .config_flags = "",
     .json = true,
     .max_operands = 0,
     .examples = "xoe version\nxoe version --json",
     .run = cmd_version},
    {.name = NULL},
};

const cli_command *cli_command_find(const char *name)
{
    for (const cli_command *c = cli_commands; c->name; c++)
        if (!strcmp(c->name, name)) return c;
    return NULL;
}
