// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Gives AMD's GPUs of the bed a device-specific reset, as the vendor-reset module does for real ones: by a hook in front of
 * the kernel's own table of such resets, which no module can add to. Where the kernel has one of its own, that one counts.
 */

#include <linux/delay.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/pci.h>

#define HOOKED "pci_dev_specific_reset"

/* Where the bed's GPUs of AMD have the register that resets the board, and what has to be written there. */
#define REGISTER_BAR 5
#define RESET_REGISTER 0x58200
#define RESET 0x00070000

static int (*of_the_kernel)(struct pci_dev *dev, bool probe);

static bool is_ours(struct pci_dev *dev)
{
	return dev->vendor == PCI_VENDOR_ID_ATI && dev->class >> 16 == PCI_BASE_CLASS_DISPLAY &&
	       pci_resource_len(dev, REGISTER_BAR) > RESET_REGISTER;
}

static int reset(struct pci_dev *dev)
{
	void __iomem *registers = pci_iomap(dev, REGISTER_BAR, 0);
	u16 command;

	if (!registers)
		return -ENOMEM;
	pci_read_config_word(dev, PCI_COMMAND, &command);
	pci_write_config_word(dev, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	iowrite32(RESET, registers + RESET_REGISTER);
	msleep(100);
	/* As for every other method, the kernel restores the configuration space after this. */
	pci_iounmap(dev, registers);
	return 0;
}

static int specific_reset(struct pci_dev *dev, bool probe)
{
	int result = of_the_kernel(dev, probe);

	if (result != -ENOTTY || !is_ours(dev))
		return result;
	return probe ? 0 : reset(dev);
}

static void notrace hook(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	/* Called from here it is the kernel's own. */
	if (!within_module(parent_ip, THIS_MODULE))
		ftrace_regs_set_instruction_pointer(fregs, (unsigned long)specific_reset);
}

static struct ftrace_ops hooked = {
	.func = hook,
	.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_DYNAMIC,
};

/* No module may ask for an address by its name; a probe has to know it. */
static void *address_of(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	void *address;

	if (register_kprobe(&probe))
		return NULL;
	address = probe.addr;
	unregister_kprobe(&probe);
	return address;
}

static int __init bed_device_reset_init(void)
{
	int error;

	of_the_kernel = address_of(HOOKED);
	if (!of_the_kernel)
		return -ENOENT;
	error = ftrace_set_filter(&hooked, HOOKED, strlen(HOOKED), 1);
	return error ? error : register_ftrace_function(&hooked);
}

static void __exit bed_device_reset_exit(void)
{
	unregister_ftrace_function(&hooked);
	ftrace_free_filter(&hooked);
}

module_init(bed_device_reset_init);
module_exit(bed_device_reset_exit);

MODULE_DESCRIPTION("A device-specific reset of the bed's AMD GPUs");
MODULE_LICENSE("Dual MIT/GPL");
