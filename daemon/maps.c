/* SPDX-License-Identifier: MIT */
/*
 * The list of xdp/maps.h, once more for user space.
 */
#include "daemon/maps.h"

const struct map_description map_descriptions[MAP_MAX] = {
#define MAPS_DESCRIPTION(NAME, name, kind, key, value) {name, kind, sizeof(key), sizeof(value)},
	MAPS(MAPS_DESCRIPTION)
#undef MAPS_DESCRIPTION
};
