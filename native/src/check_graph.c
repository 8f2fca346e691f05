#include "pack_graph.h"

static bool ascends(const int32_t *numbers, size_t count, size_t end) {
    if (!count || numbers[0] || numbers[count - 1] != (int32_t)end)
        return false;
    for (size_t i = 1; i < count; ++i)
        if (numbers[i] <= numbers[i - 1])
            return false;
    return true;
}

/* One node of segment [begin, end). */
static const char *check_node(const sb_graph_spec *graph, int32_t inputs, int32_t begin,
                              int32_t node) {
    const int32_t first = graph->starts[node], last = graph->starts[node + 1];
    for (int32_t i = first; i < last; ++i) {
        const int32_t operand = graph->operands[i], used = (operand >> 1) - inputs;
        if (operand < 0 || used >= node)
            return "a node uses what is neither an input nor a node before it";
        if (used >= 0 && (used < begin || graph->roles[used] != -1))
            return "a node uses what is no temporary of its segment";
    }
    if (graph->roles[node] == -1 && (last - first < 2 || graph->operands[first] & 1))
        return "a temporary has fewer than two operands, or begins with a subtraction";
    return last - first > UINT16_MAX ? "a node has more than 65535 operands" : NULL;
}

/* seen[k]: one more than the last segment with a node of filter k. */
static const char *check_segments(const sb_geometry *geometry, const sb_graph_spec *graph,
                                  int32_t *seen) {
    const int32_t inputs = sb_graph_inputs(geometry);
    const int32_t filters = geometry->out_channels / geometry->groups;
    int32_t group = 0;
    for (size_t s = 0; s < graph->segment_count; ++s) {
        bool named = false;
        for (int32_t node = graph->segments[s]; node < graph->segments[s + 1]; ++node) {
            const int32_t role = graph->roles[node];
            const char *problem = check_node(graph, inputs, graph->segments[s], node);
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

sb_status sb_check_graph(const sb_geometry *geometry, const sb_graph_spec *graph,
                         sb_memory *temporary, const char **reason) {
    *reason = "its arrays do not fit one another";
    if (graph->nodes > SB_GRAPH_MOST || graph->operand_count > SB_GRAPH_MOST ||
        graph->segment_count > graph->nodes || !graph->starts || !graph->segments ||
        (graph->nodes && (!graph->roles || !graph->operands)) ||
        !ascends(graph->starts, graph->nodes + 1, graph->operand_count) ||
        !ascends(graph->segments, graph->segment_count + 1, graph->nodes))
        return SB_INVALID_ARGUMENT;
    int32_t *seen = sb_memory_take(temporary, (size_t)geometry->out_channels, sizeof *seen);
    if (!seen)
        return SB_OUT_OF_MEMORY;
    *reason = check_segments(geometry, graph, seen);
    return *reason ? SB_INVALID_ARGUMENT : SB_OK;
}
