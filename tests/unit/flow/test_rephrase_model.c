/* Rephrasing on a real model (SmolLM2 135M): a sentence that is longer than the context stays as it was and stops nothing. */
#include "flowtest.h"

#include "flow/rephrase.h"

static void test_endless_sentence(void **state)
{
    (void)state;
    enum { WORDS = 6000 };
    xoe_error e = XOE_ERROR_INIT;
    xoe_buf text;
    xoe_key key;
    xoe_rephraser *rp;
    xoe_rephrase_result r;
    xoe_buf_init(&text, 1 << 20);
    for (int i = 0; i < WORDS; i++)
        xoe_buf_printf(&text, "%sword%d", i ? " " : "", i % 10);
    xoe_buf_puts(&text, ".\n\n- Short.\n");
    assert_int_equal(xoe_keyring_get(app->keyring, NULL, &key, &e), XOE_OK);
    xoe_rephrase_opts o = {.paraphraser = app->chat, .key = key, .seed = 5, .priority = XOE_PRIORITY_BATCH};
    assert_int_equal(xoe_rephraser_open(&rp, &o, NULL, NULL, &e), XOE_OK);
    assert_int_equal(xoe_rephraser_feed(rp, text.data, text.len, &e), XOE_OK);
    if (xoe_rephraser_finish(rp, &r, &e)) fail_msg("%s", e.msg);
    xoe_rephraser_close(rp);
    assert_int_equal(r.chunks[0].outcome, XOE_CHUNK_KEPT_MEANING);
    assert_non_null(strstr(r.chunks[0].reason, "too long"));
    assert_int_equal(r.n, text.len);
    assert_memory_equal(r.text, text.data, r.n);
    xoe_rephrase_result_clear(&r);
    xoe_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_endless_sentence)};
    return cmocka_run_group_tests(tests, open_with_one_key, teardown);
}
