/* From one view of an image into another: plain or lane-blocked on either side, halo included. */
#ifndef SB_KERNELS_RELAYOUT_H
#define SB_KERNELS_RELAYOUT_H

#include "../view.h"
#include "plain_to_lanes.h"
#include "relane.h"

#include <string.h>

/* Into a plain view: its planes are shared out. */
static inline void sb_relay_to_plain(const sb_layer *layer, const sb_operands *operands) {
    const sb_geometry *geometry = &layer->geometry;
    const size_t height = (size_t)geometry->in_height, width = (size_t)geometry->in_width;
    const size_t step =
        sb_view_channel_step(&layer->input, geometry->in_height, geometry->in_width);
    const sb_element *input = operands->input;
    sb_element *output = operands->output;
    size_t begin, end;
    sb_take_share(operands, (size_t)geometry->in_channels, &begin, &end);
    if (!layer->input.lanes) {
        memcpy(output + begin * step, input + begin * step, (end - begin) * step * sizeof *output);
        return;
    }
    for (size_t y = 0; y < height; ++y)
        for (size_t x = 0; x < width; ++x) {
            const sb_element *source =
                input + sb_view_element(&layer->input, (int32_t)width, (int32_t)y, (int32_t)x);
            for (size_t c = begin; c < end; ++c)
                output[(c * height + y) * width + x] = source[c * step];
        }
}

static inline void sb_layout_relayout(const sb_layer *layer, const sb_operands *operands) {
    if (!layer->output.lanes)
        sb_relay_to_plain(layer, operands);
    else if (layer->input.lanes)
        sb_relane(layer, operands);
    else
        sb_plain_to_lanes(layer, operands);
}

#endif
