// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Has the kernel's own code make a simple-framebuffer of what the firmware set up, as a kernel does by itself that was built
 * with CONFIG_SYSFB_SIMPLEFB. Debian's is not.
 */

#define CONFIG_SYSFB_SIMPLEFB 1

#include <linux/module.h>
#include <linux/pci.h>
#include <linux/screen_info.h>
#include <linux/sysfb.h>

/* The kernel exports no such function to modules; without it the device is only not known to the firmware's tables. */
#define sysfb_set_efifb_fwnode(device)

#include "sysfb_simplefb.c"

static struct platform_device *framebuffer;

static int __init bed_sysfb_init(void)
{
	struct pci_dev *holder = screen_info_pci_dev(&screen_info);
	struct simplefb_platform_data mode;

	if (IS_ERR_OR_NULL(holder) || !sysfb_parse_mode(&screen_info, &mode))
		return -ENODEV;
	framebuffer = sysfb_create_simplefb(&screen_info, &mode, &holder->dev);
	pci_dev_put(holder);
	return PTR_ERR_OR_ZERO(framebuffer);
}

module_init(bed_sysfb_init);

MODULE_DESCRIPTION("A simple-framebuffer of what the firmware set up");
MODULE_LICENSE("Dual MIT/GPL");
