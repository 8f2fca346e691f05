/* Kernels that are wrong, each in a way of its own, to see that they are found. */
#ifndef CHECK_PLANTED_H
#define CHECK_PLANTED_H

#include "cases.h"

/* Names, a line each. */
int check_list_plants(void);

/* From now on a right kernel, or the generated walks, are wrong in this way; the options name the
 * row. false: there is no such way. */
bool check_plant_fault(const char *name, check_options *options);

#endif
