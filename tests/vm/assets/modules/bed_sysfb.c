// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Has the kernel's own code make a simple-framebuffer of what the firmware set up, as a kernel does by itself that was built
 * with CONFIG_SYSFB_SIMPLEFB. Debian's is not.
 *
 * Where no firmware of the bed sets up a picture in a function, `holder` names the function and `bar` the BAR in which one is
 * taken to begin.
 */

#define CONFIG_SYSFB_SIMPLEFB 1

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/screen_info.h>
#include <linux/sysfb.h>

/* The kernel exports no such function to modules; without it the device is only not known to the firmware's tables. */
#define sysfb_set_efifb_fwnode(device)

#include "sysfb_simplefb.c"

static char *holder;
module_param(holder, charp, 0);
static unsigned int bar;
module_param(bar, uint, 0);

/* A small one: where each write is a message to another process, a large picture takes minutes. */
static const struct screen_info small = {
	.orig_video_isVGA = VIDEO_TYPE_EFI,
	.capabilities = VIDEO_CAPABILITY_64BIT_BASE,
	.lfb_width = 160,
	.lfb_height = 100,
	.lfb_depth = 32,
	.lfb_linelength = 160 * 4,
	.lfb_size = 160 * 4 * 100,
	.red_size = 8,
	.red_pos = 16,
	.green_size = 8,
	.green_pos = 8,
	.blue_size = 8,
	.rsvd_size = 8,
	.rsvd_pos = 24,
};

static struct platform_device *framebuffer;

static struct pci_dev *find(const char *address)
{
	unsigned int domain, bus, device, function;

	if (sscanf(address, "%x:%x:%x.%u", &domain, &bus, &device, &function) != 4)
		return NULL;
	return pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(device, function));
}

static int __init bed_sysfb_init(void)
{
	struct screen_info picture = holder ? small : screen_info;
	struct pci_dev *shown = holder ? find(holder) : screen_info_pci_dev(&picture);
	struct simplefb_platform_data mode;

	if (IS_ERR_OR_NULL(shown))
		return -ENODEV;
	if (holder && bar < PCI_STD_NUM_BARS) {
		picture.lfb_base = lower_32_bits(pci_resource_start(shown, bar));
		picture.ext_lfb_base = upper_32_bits(pci_resource_start(shown, bar));
	}
	if (sysfb_parse_mode(&picture, &mode))
		framebuffer = sysfb_create_simplefb(&picture, &mode, &shown->dev);
	else
		framebuffer = ERR_PTR(-ENODEV);
	pci_dev_put(shown);
	return PTR_ERR_OR_ZERO(framebuffer);
}

module_init(bed_sysfb_init);

MODULE_DESCRIPTION("A simple-framebuffer of what the firmware set up");
MODULE_LICENSE("Dual MIT/GPL");
