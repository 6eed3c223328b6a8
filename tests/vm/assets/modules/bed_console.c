// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * Holds the kernel's console lock for a while, as a driver does that is stuck while it takes the console over. Nothing is
 * written to any console until then, and whoever asks what a console is bound to waits.
 */

#include <linux/completion.h>
#include <linux/console.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>

static unsigned int seconds = 30;
module_param(seconds, uint, 0);

static DECLARE_COMPLETION(held);

static int hold(void *unused)
{
	console_lock();
	complete(&held);
	msleep(seconds * 1000);
	console_unlock();
	return 0;
}

static int __init bed_console_init(void)
{
	struct task_struct *holder = kthread_run(hold, NULL, "bed_console");

	if (IS_ERR(holder))
		return PTR_ERR(holder);
	wait_for_completion(&held);
	return 0;
}

module_init(bed_console_init);

MODULE_DESCRIPTION("Holds the console lock");
MODULE_LICENSE("Dual MIT/GPL");
