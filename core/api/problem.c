#include "api/api.h"

#include <string.h>

void pl_api_code(char out[static PL_CODE_TEXT], enum pl_code c)
{
    const char *name = pl_code_name(c);
    size_t n = strlen(name);
    PL_ASSERT(n < PL_CODE_TEXT);
    for (size_t i = 0; i <= n; i++) {
        bool upper = name[i] >= 'A' && name[i] <= 'Z';
        out[i] = upper ? (char)(name[i] - 'A' + 'a') : (char)(name[i] == '_' ? '-' : name[i]);
    }
}

enum pl_code pl_api_code_of(struct pl_span text)
{
    char code[PL_CODE_TEXT];
    for (int i = 0; i < PL_E_COUNT; i++) {
        pl_api_code(code, (enum pl_code)i);
        if (pl_span_is(text, code))
            return (enum pl_code)i;
    }
    return PL_E_BUG;
}

void pl_api_problem(struct pl_api_problem *out, struct pl_problem_text *text, enum pl_code c)
{
    static const char urn[] = "urn:pleiad:error:";
    pl_api_code(text->code, c);
    memcpy(text->type, urn, sizeof(urn) - 1);
    memcpy(text->type + sizeof(urn) - 1, text->code, strlen(text->code) + 1);
    *out = (struct pl_api_problem){
        .code = text->code,
        .type = text->type,
        .title = pl_code_text(c),
        .status = (uint64_t)pl_code_http(c),
        .retry = pl_code_retry(c),
    };
}
