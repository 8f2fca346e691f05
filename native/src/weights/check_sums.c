#include "pack_sums.h"

static bool ascends(const int32_t *numbers, size_t count, size_t end) {
    if (!count || numbers[0] || numbers[count - 1] != (int32_t)end)
        return false;
    for (size_t i = 1; i < count; ++i)
        if (numbers[i] <= numbers[i - 1])
            return false;
    return true;
}

/* One node of segment [begin, end). */
static const char *check_node(const sb_sum_list *list, int32_t inputs, int32_t begin,
                              int32_t node) {
    const int32_t first = list->starts[node], last = list->starts[node + 1];
    for (int32_t i = first; i < last; ++i) {
        const int32_t operand = list->operands[i], used = (operand >> 1) - inputs;
        if (operand < 0 || used >= node)
            return "a node uses what is neither an input nor a node before it";
        if (used >= 0 && (used < begin || list->roles[used] != -1))
            return "a node uses what is no temporary of its segment";
    }
    if (list->roles[node] == -1 && (last - first < 2 || list->operands[first] & 1))
        return "a temporary has fewer than two operands, or begins with a subtraction";
    return last - first > UINT16_MAX ? "a node has more than 65535 operands" : NULL;
}

/* seen[k]: one more than the last segment with a node of filter k. */
static const char *check_segments(const sb_geometry *geometry, const sb_sum_list *list,
                                  int32_t *seen) {
    const int32_t inputs = sb_sums_inputs(geometry);
    const int32_t filters = geometry->out_channels / geometry->groups;
    int32_t group = 0;
    for (size_t s = 0; s < list->segment_count; ++s) {
        bool named = false;
        for (int32_t node = list->segments[s]; node < list->segments[s + 1]; ++node) {
            const int32_t role = list->roles[node];
            const char *problem = check_node(list, inputs, list->segments[s], node);
            if (problem)
                return problem;
            if (role < -2 || role >= geometry->out_channels)
                return "a role is no filter";
            if (role < 0)
                continue;
            if (role / filters < group || (named && role / filters != group))
                return "filters of several convolution groups share a segment, or do not ascend";
            if (seen[role] == (int32_t)s + 1)
                return "a filter has two nodes in a segment";
            seen[role] = (int32_t)s + 1;
            group = role / filters;
            named = true;
        }
    }
    return NULL;
}

sb_status sb_check_sum_list(const sb_geometry *geometry, const sb_sum_list *list,
                            sb_memory *temporary, const char **reason) {
    *reason = "its arrays do not fit one another";
    if (list->nodes > SB_SUMS_MOST || list->operand_count > SB_SUMS_MOST ||
        list->segment_count > list->nodes || !list->starts || !list->segments ||
        (list->nodes && (!list->roles || !list->operands)) ||
        !ascends(list->starts, list->nodes + 1, list->operand_count) ||
        !ascends(list->segments, list->segment_count + 1, list->nodes))
        return SB_INVALID_ARGUMENT;
    int32_t *seen = sb_memory_take(temporary, (size_t)geometry->out_channels, sizeof *seen);
    if (!seen)
        return SB_OUT_OF_MEMORY;
    *reason = check_segments(geometry, list, seen);
    return *reason ? SB_INVALID_ARGUMENT : SB_OK;
}
