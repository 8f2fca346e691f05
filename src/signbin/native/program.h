// A finished program.
#ifndef SIGNBIN_PROGRAM_H
#define SIGNBIN_PROGRAM_H

#include "binding.h"

#include <memory>
#include <vector>

namespace binding {

struct FreeProgram {
    void operator()(sb_program *program) const {
        sb_program_free(program);
    }
};

class Program {
  public:
    explicit Program(sb_program *program) : program_(program) {
    }

    size_t arena_bytes(size_t batch) const {
        size_t bytes = 0;
        check(sb_program_arena_bytes(program_.get(), batch, &bytes), "size of the arena");
        return bytes;
    }

    size_t machine_code_bytes() const {
        return sb_program_machine_code_bytes(program_.get());
    }

    std::vector<const char *> step_kernels() const {
        std::vector<const char *> names;
        for (size_t i = 0; i < sb_program_step_count(program_.get()); ++i)
            names.push_back(sb_program_step_kernel(program_.get(), i));
        return names;
    }

    std::vector<size_t> packed_bytes() const {
        std::vector<size_t> bytes;
        for (size_t i = 0; i < sb_program_step_count(program_.get()); ++i)
            bytes.push_back(sb_program_step_packed_bytes(program_.get(), i));
        return bytes;
    }

    void run(const std::vector<Input> &inputs, const std::vector<Output> &outputs, size_t batch,
             const std::vector<std::optional<Output>> &copies,
             const std::optional<Times> &step_ns) const {
        std::vector<float *> targets(sb_program_value_count(program_.get()), nullptr);
        std::vector<const float *> sources;
        std::vector<float *> results;
        if (inputs.size() != sb_program_input_count(program_.get()) ||
            outputs.size() != sb_program_output_count(program_.get()))
            throw StatusError("SB_INVALID_ARGUMENT: one array for every input and output");
        for (size_t i = 0; i < inputs.size(); ++i) {
            expect(inputs[i].size(), sb_program_input(program_.get(), i), batch, "input");
            sources.push_back(inputs[i].data());
        }
        for (size_t i = 0; i < outputs.size(); ++i) {
            expect(outputs[i].size(), sb_program_output(program_.get(), i), batch, "output");
            results.push_back(outputs[i].data());
        }
        if (copies.size() > targets.size())
            throw StatusError("SB_INVALID_ARGUMENT: more copies than values");
        for (size_t i = 0; i < copies.size(); ++i)
            if (copies[i]) {
                expect(copies[i]->size(), static_cast<uint32_t>(i), batch, "copy");
                targets[i] = copies[i]->data();
            }
        if (step_ns && step_ns->size() != sb_program_step_count(program_.get()))
            throw StatusError("SB_INVALID_ARGUMENT: step_ns needs one number per step");
        double *times = step_ns ? step_ns->data() : nullptr;
        sb_status status;
        {
            nb::gil_scoped_release unlocked;
            status = sb_program_run(program_.get(), sources.data(), results.data(), batch,
                                    targets.data(), times);
        }
        if (status != SB_OK)
            check(status, ("run of a batch of " + std::to_string(batch)).c_str());
    }

  private:
    void expect(size_t size, uint32_t value, size_t batch, const char *what) const {
        size_t elements = 0;
        check(sb_program_value_elements(program_.get(), value, &elements), what);
        if (batch == 0 || size % batch || size / batch != elements)
            throw StatusError("SB_INVALID_ARGUMENT: " + std::string(what) + " of " +
                              std::to_string(size) +
                              " numbers; allowed: " + std::to_string(elements) + " per image");
    }

    std::unique_ptr<sb_program, FreeProgram> program_;
};

} // namespace binding

#endif
