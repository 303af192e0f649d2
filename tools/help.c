/* Help and completion, from the same rows as the parser. */
#include "tools/tool.h"

#include <stdio.h>
#include <string.h>

static void print_option(const struct tool_opt *o)
{
    char left[64];
    char letter[5] = "    ";
    if (o->letter)
        snprintf(letter, sizeof(letter), "-%c, ", o->letter);
    snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->meta ? " " : "",
             o->meta ? o->meta : "");
    printf("  %-28s %s", left, o->help);
    if (o->arg == TOOL_CHOICE)
        printf(" (%s)", o->choices);
    if (o->arg == TOOL_NUMBER)
        printf(" (%llu to %llu)", (unsigned long long)o->min, (unsigned long long)o->max);
    printf("%s%s\n", o->repeats ? "; may be repeated" : "", o->required ? "; required" : "");
}

static void print_options(const struct tool_opt *list)
{
    for (; list && list->name; list++)
        print_option(list);
}

static void synopsis(const struct tool_noun *noun, const struct tool_cmd *cmd)
{
    printf("pleiad %s%s%s", noun->name, *cmd->verb ? " " : "", cmd->verb);
    for (const struct tool_opt *o = cmd->opts; o && o->name; o++) {
        const char *open = o->required ? "" : "[", *close = o->required ? "" : "]";
        if (o->letter)
            printf(" %s-%c%s%s%s", open, o->letter, o->meta ? " " : "", o->meta ? o->meta : "",
                   close);
        else
            printf(" %s--%s%s%s%s", open, o->name, o->meta ? " " : "", o->meta ? o->meta : "",
                   close);
    }
    printf("%s%s\n", *cmd->args ? " " : "", cmd->args);
}

static void help_command(const struct tool_noun *noun, const struct tool_cmd *cmd)
{
    printf("usage: ");
    synopsis(noun, cmd);
    printf("\n%s.\n\noptions:\n", cmd->summary);
    print_options(cmd->opts);
    print_options(tool_common_opts);
    printf("\nexample:\n  %s\n\nmore: man pleiad-%s\n", cmd->example, noun->name);
}

static void help_noun(const struct tool_noun *noun)
{
    printf("pleiad %s: %s\n\n", noun->name, noun->summary);
    for (const struct tool_cmd *c = noun->cmds; c->verb; c++)
        printf("  pleiad %s %-12s %s\n", noun->name, c->verb, c->summary);
    printf("\n`pleiad %s COMMAND --help` has options and an example; more: man pleiad-%s\n",
           noun->name, noun->name);
}

static void help_all(void)
{
    printf("pleiad: a virtual HSM of several small servers that do not trust each other\n\n");
    for (const struct tool_noun *n = tool_nouns; n->name; n++)
        printf("  pleiad %-12s %s\n", n->name, n->summary);
    printf("\nexit codes: 0 done, 1 refused or does not verify, 2 usage, 3 too few vaults or\n"
           "unreachable, 4 locked. `pleiad NOUN --help` lists its commands; more: man pleiad\n");
}

void tool_help(const struct tool_noun *noun, const struct tool_cmd *cmd)
{
    if (!noun)
        help_all();
    else if (!cmd && *noun->cmds->verb)
        help_noun(noun);
    else
        help_command(noun, cmd ? cmd : noun->cmds);
}

static void option_words(const struct tool_opt *list)
{
    for (; list && list->name; list++)
        printf(" --%s", list->name);
}

/* case arms "noun verb --option)" for the values of one command. */
static void value_arms(const struct tool_noun *noun, const struct tool_cmd *cmd)
{
    for (const struct tool_opt *o = cmd->opts; o && o->name; o++) {
        if (o->arg == TOOL_FLAG)
            continue;
        printf("    '%s %s --%s'", noun->name, cmd->verb, o->name);
        if (o->letter)
            printf("|'%s %s -%c'", noun->name, cmd->verb, o->letter);
        if (o->arg == TOOL_FILE || o->arg == TOOL_DIR) {
            printf(") COMPREPLY=($(compgen -%c -- \"$cur\")); return ;;\n",
                   o->arg == TOOL_FILE ? 'f' : 'd');
        } else if (o->arg == TOOL_CHOICE) {
            printf(") COMPREPLY=($(compgen -W '");
            for (const char *c = o->choices; *c; c++)
                putchar(*c == ',' ? ' ' : *c);
            printf("' -- \"$cur\")); return ;;\n");
        } else {
            printf(") return ;;\n");
        }
    }
}

static void words_arm(const struct tool_noun *noun, const struct tool_cmd *cmd)
{
    printf("    '%s %s') words='", noun->name, cmd->verb);
    option_words(cmd->opts);
    option_words(tool_common_opts);
    printf("' ;;\n");
}

static void each_command(void (*print)(const struct tool_noun *, const struct tool_cmd *))
{
    for (const struct tool_noun *n = tool_nouns; n->name; n++)
        for (const struct tool_cmd *c = n->cmds; c->verb; c++)
            print(n, c);
}

void tool_completion_bash(void)
{
    printf("# bash completion for pleiad; made by `pleiad completion bash`\n"
           "_pleiad()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local noun=${COMP_WORDS[1]} verb=${COMP_WORDS[2]} words=''\n"
           "    COMPREPLY=()\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='");
    for (const struct tool_noun *n = tool_nouns; n->name; n++)
        printf("%s ", n->name);
    printf("--help --version'\n"
           "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return\n    fi\n"
           "    if [ \"$COMP_CWORD\" -eq 2 ]; then\n        case $noun in\n");
    for (const struct tool_noun *n = tool_nouns; n->name; n++) {
        printf("        %s) words='", n->name);
        for (const struct tool_cmd *c = n->cmds; c->verb; c++)
            printf("%s ", c->verb);
        printf("--help' ;;\n");
    }
    printf("        esac\n"
           "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")); return\n    fi\n"
           "    case \"$noun $verb $prev\" in\n");
    each_command(value_arms);
    printf("    esac\n    case \"$noun $verb\" in\n");
    each_command(words_arm);
    printf("    esac\n"
           "    case $cur in\n"
           "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
           "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
           "    esac\n}\n"
           "complete -o filenames -F _pleiad pleiad\n");
}
