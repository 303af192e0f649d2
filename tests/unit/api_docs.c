/* Writes what is generated from the tables of core/api: docs/openapi.json (`openapi`),
 * docs/LIMITS.md (`limits`), the seeds of the message fuzzer (`seeds DIR`) and its dictionary
 * (`dictionary`). */
#include "api_sample.h"

#include <stdio.h>
#include <string.h>

struct doc {
    const char *of, *field, *text;
};

/* The sentences of api.def, which the codec's tables leave out. */
static const struct doc docs[] = {
#define PL_MSG(name, text)                                         {#name, NULL, text},
#define PL_FIELD(msg, need, kind, name, min, max, count, of, text) {#msg, #name, text},
#include "api/api.def"
};

static const char *sentence(const char *of, const char *field)
{
    for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++)
        if (strcmp(docs[i].of, of) == 0 &&
            (field ? docs[i].field && !strcmp(docs[i].field, field) : !docs[i].field))
            return docs[i].text;
    return "";
}

static void text(struct pl_jw *j, const char *key, const char *value)
{
    pl_jw_key(j, key);
    pl_jw_text(j, value);
}

static void number(struct pl_jw *j, const char *key, uint64_t value)
{
    pl_jw_key(j, key);
    pl_jw_u64(j, value);
}

static void object(struct pl_jw *j, const char *key)
{
    pl_jw_key(j, key);
    pl_jw_open(j, '{');
}

static void reference(struct pl_jw *j, const char *message)
{
    char ref[128];
    snprintf(ref, sizeof(ref), "#/components/schemas/%s", message);
    text(j, "$ref", ref);
}

static void string_of(struct pl_jw *j, uint64_t min, uint64_t max, const char *pattern)
{
    text(j, "type", "string");
    number(j, "minLength", min);
    number(j, "maxLength", max);
    if (pattern)
        text(j, "pattern", pattern);
}

static void words(struct pl_jw *j, const struct pl_api_field *f)
{
    text(j, "type", "string");
    pl_jw_key(j, "enum");
    pl_jw_open(j, '[');
    for (size_t i = 1; f->words[i]; i++)
        pl_jw_text(j, f->words[i]);
    pl_jw_close(j, ']');
}

/* The schema of one value, or of an array's element. JSON Schema counts characters: of text that is
 * an upper bound for its bytes only when it is ASCII, which the description of the API says. */
static void value(struct pl_jw *j, const struct pl_api_field *f)
{
    switch ((int)f->kind) {
    case PL_F_HEX:
    case PL_F_HEXES:
        string_of(j, 2 * f->max, 2 * f->max, "^[0-9a-f]*$");
        break;
    case PL_F_BYTES:
        string_of(j, PL_B64U_LEN(f->max), PL_B64U_LEN(f->max), "^[A-Za-z0-9_-]*$");
        break;
    case PL_F_B64U:
    case PL_F_B64US:
        string_of(j, PL_B64U_LEN(f->min), PL_B64U_LEN(f->max), "^[A-Za-z0-9_-]*$");
        break;
    case PL_F_U53:
        text(j, "type", "integer");
        number(j, "minimum", f->min);
        number(j, "maximum", f->max);
        break;
    case PL_F_BOOL:
        text(j, "type", "boolean");
        break;
    case PL_F_TIME:
        text(j, "type", "string");
        text(j, "format", "date-time");
        text(j, "pattern", "Z$");
        break;
    case PL_F_ENUM:
        words(j, f);
        break;
    case PL_F_CONST:
        text(j, "const", f->text);
        break;
    case PL_F_RAW:
    case PL_F_RAWS:
        text(j, "type", "object");
        number(j, "x-max-bytes", f->max);
        break;
    case PL_F_MSGS:
        reference(j, pl_api_row(f->of)->name);
        break;
    default:
        string_of(j, f->min, f->max, NULL);
    }
}

static void property(struct pl_jw *j, const char *message, const struct pl_api_field *f)
{
    const char *about = sentence(message, f->name);
    object(j, f->name);
    if (about[0])
        text(j, "description", about);
    if (f->kind >= PL_F_HEXES) {
        text(j, "type", "array");
        number(j, "maxItems", f->count);
        object(j, "items");
        value(j, f);
        pl_jw_close(j, '}');
    } else {
        value(j, f);
    }
    pl_jw_close(j, '}');
}

static void schema(struct pl_jw *j, const struct pl_api_row *row)
{
    object(j, row->name);
    text(j, "description", sentence(row->name, NULL));
    text(j, "type", "object");
    pl_jw_key(j, "additionalProperties");
    pl_jw_bool(j, false);
    pl_jw_key(j, "required");
    pl_jw_open(j, '[');
    for (size_t i = 0; i < row->fields; i++)
        if (!row->field[i].optional)
            pl_jw_text(j, row->field[i].name);
    pl_jw_close(j, ']');
    object(j, "properties");
    for (size_t i = 0; i < row->fields; i++)
        property(j, row->name, &row->field[i]);
    pl_jw_close(j, '}');
    pl_jw_close(j, '}');
}

/* What route.def may name beside messages. */
enum { PL_API_none = 0, PL_API_text = 0, PL_API_carrier = 0 };

struct route {
    int request_is, answer_is; /* a name that is no message does not compile */
    const char *method, *path, *request, *answer, *who, *text;
};

static const struct route routes[] = {
#define PL_ROUTE(method, path, request, answer, who, text)                                         \
    {PL_API_##request, PL_API_##answer, method, path, #request, #answer, who, text},
#include "api/route.def"
#undef PL_ROUTE
};

static void signed_object(struct pl_jw *j)
{
    text(j, "type", "object");
    pl_jw_key(j, "required");
    pl_jw_raw(j, PL_LIT("[\"proof\",\"statement\"]"));
}

static void content(struct pl_jw *j, const char *type, const char *message)
{
    object(j, "content");
    object(j, type);
    object(j, "schema");
    if (strcmp(message, "carrier") == 0)
        signed_object(j);
    else if (strcmp(message, "text") != 0)
        reference(j, message);
    pl_jw_close(j, '}');
    pl_jw_close(j, '}');
    pl_jw_close(j, '}');
}

static void answer(struct pl_jw *j, const char *status, const char *about, const char *type,
                   const char *message)
{
    object(j, status);
    text(j, "description", about);
    content(j, type, message);
    pl_jw_close(j, '}');
}

static void parameter(struct pl_jw *j, const char *name, const char *in, bool required)
{
    pl_jw_open(j, '{');
    text(j, "name", name);
    text(j, "in", in);
    pl_jw_key(j, "required");
    pl_jw_bool(j, required);
    object(j, "schema");
    text(j, "type", "string");
    pl_jw_close(j, '}');
    pl_jw_close(j, '}');
}

static void parameters(struct pl_jw *j, const struct route *r)
{
    pl_jw_key(j, "parameters");
    pl_jw_open(j, '[');
    static const char *const in_path[] = {"handle", "vault_id"};
    static const char *const in_query[] = {"tee", "measurement", "label", "page"};
    char mark[32];
    for (size_t i = 0; i < sizeof(in_path) / sizeof(*in_path); i++) {
        snprintf(mark, sizeof(mark), "{%s}", in_path[i]);
        if (strstr(r->path, mark))
            parameter(j, in_path[i], "path", true);
    }
    for (size_t i = 0; i < sizeof(in_query) / sizeof(*in_query); i++) {
        snprintf(mark, sizeof(mark), "?%s=", in_query[i]);
        if (strstr(r->text, mark))
            parameter(j, in_query[i], "query", false);
    }
    if (strstr(r->text, "Idempotency-Key"))
        parameter(j, "Idempotency-Key", "header", false);
    pl_jw_close(j, ']');
}

static void call(struct pl_jw *j, const struct route *r)
{
    char method[8] = {0};
    for (size_t i = 0; r->method[i] && i < sizeof(method) - 1; i++)
        method[i] = (char)(r->method[i] | 0x20);
    object(j, method);
    text(j, "summary", r->text);
    text(j, "description", r->who);
    parameters(j, r);
    if (strcmp(r->request, "none") != 0) {
        object(j, "requestBody");
        content(j, "application/json", r->request);
        pl_jw_close(j, '}');
    }
    object(j, "responses");
    answer(j, "200", "done", "application/json", r->answer);
    if (strcmp(r->answer, "receipt") == 0)
        answer(j, "202", "in force, not yet durable and cosigned", "application/json", r->answer);
    answer(j, "default", "refused or failed", "application/problem+json", "problem");
    pl_jw_close(j, '}');
    pl_jw_close(j, '}');
}

static bool of_registry(const struct route *r) { return strncmp(r->path, "/v1/vaults", 10) == 0; }

static void paths(struct pl_jw *j, bool registry)
{
    size_t n = sizeof(routes) / sizeof(routes[0]);
    object(j, "paths");
    for (size_t i = 0; i < n; i++) {
        size_t before = 0;
        while (before < i && strcmp(routes[before].path, routes[i].path) != 0)
            before++;
        if (before < i || of_registry(&routes[i]) != registry)
            continue;
        object(j, routes[i].path);
        for (size_t k = i; k < n; k++)
            if (strcmp(routes[k].path, routes[i].path) == 0)
                call(j, &routes[k]);
        pl_jw_close(j, '}');
    }
    pl_jw_close(j, '}');
}

static void new_line(struct pl_wr *out, int depth)
{
    pl_wr_u8(out, '\n');
    for (int k = 0; k < depth; k++)
        pl_wr_u8(out, ' ');
}

/* Lines and indents, so that a change of the document can be read as one. */
static void indent(struct pl_wr *out, struct pl_span json)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < json.n; i++) {
        char c = (char)json.p[i];
        in_string ^= c == '"' && json.p[i - 1] != '\\';
        bool opens = !in_string && (c == '{' || c == '['),
             closes = !in_string && (c == '}' || c == ']');
        bool empty = opens && (json.p[i + 1] == '}' || json.p[i + 1] == ']');
        if (closes) {
            depth--;
            if (json.p[i - 1] != '{' && json.p[i - 1] != '[')
                new_line(out, depth);
        }
        pl_wr_u8(out, (uint8_t)c);
        depth += opens;
        if ((opens && !empty) || (!in_string && c == ','))
            new_line(out, depth);
    }
    pl_wr_u8(out, '\n');
}

/* What a registry reads and gives. */
static bool registry_schema(const char *name)
{
    return strcmp(name, "problem") == 0 || strncmp(name, "vault_", 6) == 0 ||
           strcmp(name, "entry_page") == 0;
}

static void openapi(struct pl_wr *out, bool registry)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    struct pl_jw j = pl_jw(&w);
    pl_jw_open(&j, '{');
    text(&j, "openapi", "3.1.0");
    object(&j, "info");
    text(&j, "title", registry ? "Pleiad registry" : "Pleiad vault");
    text(&j, "version", PL_VERSION);
    text(&j, "description",
         registry
             ? "JSON over HTTP/2 over TLS 1.3, under a certificate that says nothing: entries are "
               "signed by vaults, and whoever reads them verifies them. Unknown fields and "
               "repeated keys are refused. Lengths of text count UTF-8 bytes."
             : "JSON over HTTP/2 over attested TLS 1.3. Unknown fields and repeated keys are "
               "refused. Lengths of text count UTF-8 bytes.");
    pl_jw_close(&j, '}');
    paths(&j, registry);
    object(&j, "components");
    object(&j, "schemas");
    for (int k = 1; k < PL_API_COUNT; k++)
        if (!registry || registry_schema(pl_api_row((enum pl_api_msg)k)->name))
            schema(&j, pl_api_row((enum pl_api_msg)k));
    pl_jw_close(&j, '}');
    pl_jw_close(&j, '}');
    pl_jw_close(&j, '}');
    if (w.bad)
        out->bad = true;
    indent(out, pl_wr_span(&w));
}

static void limit(struct pl_wr *w, long long v, const char *unit, const char *what,
                  const char *past)
{
    char line[512];
    snprintf(line, sizeof(line), "| %lld %s | %s | %s |\n", v, unit, what, past);
    pl_wr_str(w, line);
}

static void field_limit(struct pl_wr *w, const char *message, const struct pl_api_field *f)
{
    char what[160];
    bool array = f->kind >= PL_F_HEXES;
    bool sized = f->kind == PL_F_STR || f->kind == PL_F_B64U || f->kind == PL_F_RAW ||
                 f->kind == PL_F_STRS || f->kind == PL_F_RAWS;
    snprintf(what, sizeof(what), "%s`%s.%s`", array && sized ? "each of " : "", message, f->name);
    if (sized)
        limit(w, (long long)f->max, "bytes", what, "400 json-length");
    snprintf(what, sizeof(what), "`%s.%s`", message, f->name);
    if (array)
        limit(w, f->count, "elements", what, "400 json-length");
}

static void limits(struct pl_wr *w)
{
    static const char head[] = "|---|---|---|\n";
    pl_wr_str(w, "# Limits\n\nEvery size, count, rate and time-out, and what happens past it. Made "
                 "from core/api/limit.def\nand core/api/api.def by `ninja docs`.\n\n| at most | of "
                 "what | past it |\n");
    pl_wr_str(w, head);
#define PL_LIMIT(name, value, unit, what, past) limit(w, value, unit, what, past);
#include "api/limit.def"
#undef PL_LIMIT
    pl_wr_str(w, "\n## Fields of messages\n\n| at most | of what | past it |\n");
    pl_wr_str(w, head);
    for (int k = 1; k < PL_API_COUNT; k++) {
        const struct pl_api_row *row = pl_api_row((enum pl_api_msg)k);
        for (size_t i = 0; i < row->fields; i++)
            field_limit(w, row->name, &row->field[i]);
    }
}

/* Names and words for libFuzzer: one "entry" a line. */
static void dictionary(struct pl_wr *w)
{
    for (int k = 1; k < PL_API_COUNT; k++) {
        const struct pl_api_row *row = pl_api_row((enum pl_api_msg)k);
        for (size_t i = 0; i < row->fields; i++) {
            const struct pl_api_field *f = &row->field[i];
            pl_wr_str(w, "\"\\\"");
            pl_wr_str(w, f->name);
            pl_wr_str(w, "\\\":\"\n");
            for (size_t v = 1; f->kind == PL_F_ENUM && f->words[v]; v++) {
                pl_wr_str(w, "\"\\\"");
                pl_wr_str(w, f->words[v]);
                pl_wr_str(w, "\\\"\"\n");
            }
        }
    }
}

/* A small valid text of each message, behind the byte that names it. */
static int seeds(const char *dir)
{
    for (int k = 1; k < PL_API_COUNT; k++) {
        struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
        enum pl_api_msg kind = (enum pl_api_msg)k;
        char path[4096];
        pl_wr_u8(&w, (uint8_t)(k - 1));
        sample_write(&w, kind, SAMPLE_OVER, pl_api_row(kind)->fields);
        snprintf(path, sizeof(path), "%s/%s", dir, pl_api_row(kind)->name);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(w.p, 1, w.n, f) != w.n || fclose(f) != 0)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct pl_wr w PL_CLEANUP(pl_wr_free) = pl_wr_heap(1 << 20);
    if (argc == 3 && strcmp(argv[1], "seeds") == 0)
        return seeds(argv[2]);
    if (argc == 2 && strcmp(argv[1], "openapi") == 0)
        openapi(&w, false);
    else if (argc == 2 && strcmp(argv[1], "registry") == 0)
        openapi(&w, true);
    else if (argc == 2 && strcmp(argv[1], "limits") == 0)
        limits(&w);
    else if (argc == 2 && strcmp(argv[1], "dictionary") == 0)
        dictionary(&w);
    else
        return 2;
    return w.bad || fwrite(w.p, 1, w.n, stdout) != w.n || fflush(stdout) != 0;
}
