//! Who shows a picture: the firmware's framebuffers, the VGA text console, and the framebuffers of drivers.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use reseat_core::address::FunctionAddress;

use crate::linux::process::child::consult;
use crate::linux::process::serve::{Job, Line};
use crate::linux::sysfs::attributes;
use crate::linux::sysfs::root::Root;
use crate::linux::sysfs::slots::names_of;
use crate::model::display::{Framebuffer, Sign, SignKind, may_have_outputs};
use crate::model::inventory::Function;
use crate::model::memory_map;

/// Gets the directory of a console, and answers what it says it is bound to.
pub(crate) const JOB: Job = Job::new("read-console", say_console);

/// The kernel answers at once, unless somebody has the lock of its consoles, and that one may be stuck.
const LIMIT: Duration = Duration::from_secs(2);

/// What a console says on which nothing is shown.
const UNBOUND: &str = "0";

/// As the kernel names the platform devices that it makes of what the firmware left: sysfb's, by kind of firmware.
const FRAMEBUFFERS: [&str; 3] = ["efi-framebuffer", "simple-framebuffer", "vesa-framebuffer"];

/// The signs on `functions`. What cannot be read is no sign, but for the kernel's text console: signs only ever keep a GPU from
/// being claimed.
pub(crate) fn signs(root: &Root, functions: &[Function], in_memory: &str) -> Vec<Sign> {
    let is_display = |address: FunctionAddress| {
        let found = functions.iter().find(|function| function.address == address);
        found.is_some_and(|function| may_have_outputs(function.class) || is_3d(function))
    };
    let displays = functions.iter().filter(|function| is_display(function.address));
    let displays: Vec<FunctionAddress> = displays.map(|function| function.address).collect();
    let mut signs = framebuffers(root, &displays, in_memory);
    if text_console(root) {
        let on = displays.iter().filter(|function| is_boot_vga(root, **function));
        signs.extend(on.map(|function| Sign {
            function: *function,
            kind: SignKind::TextConsole,
        }));
    }
    for function in &displays {
        let devices = names_in(&root.function(*function).join("graphics"));
        signs.extend(devices.into_iter().map(|device| Sign {
            function: *function,
            kind: SignKind::Device(device),
        }));
    }
    signs
}

/// A picture may lie in the memory of one, whatever it is shown by.
fn is_3d(function: &Function) -> bool {
    function.class.is_3d_controller()
}

fn framebuffers(root: &Root, displays: &[FunctionAddress], in_memory: &str) -> Vec<Sign> {
    let directory = root.path("/sys/bus/platform/devices");
    let devices = names_in(&directory).into_iter();
    let devices: Vec<String> = devices
        .filter(|name| {
            name.split_once('.')
                .is_some_and(|(kind, _)| FRAMEBUFFERS.contains(&kind))
        })
        .collect();
    if devices.is_empty() {
        return Vec::new();
    }
    let holder = memory_map::holder_of_framebuffer(in_memory).filter(|function| displays.contains(function));
    let holder = holder.or_else(|| displays.iter().copied().find(|function| is_boot_vga(root, *function)));
    let sign = |device: String| {
        let path = directory.join(&device);
        // Since 6.9 the kernel says itself whose it is: the device lies in the function's directory.
        let parent = fs::canonicalize(&path).ok();
        let parent = parent.and_then(|path| names_of(&path).iter().rev().find_map(|name| name.parse().ok()));
        Some(Sign {
            function: parent.or(holder)?,
            kind: SignKind::Framebuffer(Framebuffer {
                driver: attributes::link_name(&path.join("driver")).ok().flatten(),
                device,
            }),
        })
    };
    devices.into_iter().filter_map(sign).collect()
}

/// Whether the console of the kernel is text on a VGA device: neither a framebuffer's nor a dummy. One that cannot be asked
/// counts as one: it is worse to take the last picture than to leave it.
fn text_console(root: &Root) -> bool {
    let directory = root.path("/sys/class/vtconsole");
    let consoles = names_in(&directory).into_iter().map(|console| directory.join(console));
    let is_vga = |console: &Path| attributes::read(&console.join("name")).is_ok_and(|name| name.contains("VGA+"));
    consoles
        .filter(|console| is_vga(console))
        .any(|console| is_bound(root, &console))
}

/// Asks in a process of its own: for this answer the kernel takes the lock of its consoles.
fn is_bound(root: &Root, console: &Path) -> bool {
    let mut bound = None;
    let asked = consult(&JOB, root, &console.to_string_lossy(), LIMIT, &mut |said: String| {
        bound = Some(said);
    });
    !(asked.is_ok() && bound.as_deref() == Some(UNBOUND))
}

fn say_console(_: &Root, line: &mut Line) -> io::Result<()> {
    let console: String = line.only_question()?;
    let bound = attributes::read(&Path::new(&console).join("bind")).map_err(io::Error::other)?;
    line.answer(bound)
}

fn is_boot_vga(root: &Root, function: FunctionAddress) -> bool {
    attributes::read(&root.function(function).join("boot_vga")).is_ok_and(|value| value == "1")
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::test_root::TestRoot;
    use crate::model::inventory::tests::function;

    const IOMEM: &str = "\
00000000-00000000 : PCI Bus 0000:00
  00000000-00000000 : PCI Bus 0000:01
    00000000-00000000 : 0000:01:00.0
  00000000-00000000 : 0000:00:05.0
    00000000-00000000 : BOOTFB
      00000000-00000000 : vesafb
";

    const SIMPLE: &str = "simple-framebuffer.0";

    fn sign(kind: SignKind) -> Vec<Sign> {
        vec![Sign {
            function: "0000:01:00.0".parse().unwrap(),
            kind,
        }]
    }

    /// The firmware lights up what it likes: no machine of the bed has such a function with a picture.
    #[test]
    fn of_every_class_the_memory_counts_and_what_draws_in_it() {
        for class in ["030000", "030200", "038000"] {
            let functions = [
                function("0000:01:00.0", "10de:2231", class),
                function("0000:00:05.0", "1234:1111", "030000"),
            ];
            let framebuffer = |device: &str, driver: Option<&str>| {
                sign(SignKind::Framebuffer(Framebuffer {
                    device: device.to_owned(),
                    driver: driver.map(str::to_owned),
                }))
            };
            // By /proc/iomem, where the kernel says no more.
            let machine = TestRoot::new();
            machine.write("/sys/bus/platform/devices/efi-framebuffer.0/uevent", "");
            let in_memory = IOMEM.replace("0000:00:05.0", "0000:01:00.0");
            let found = signs(&machine.root(), &functions, &in_memory);
            assert_eq!(found, framebuffer("efi-framebuffer.0", None), "{class}");
            // By where the device is, from 6.9 on.
            let machine = TestRoot::new();
            let directory = format!("/sys/devices/pci0000:00/0000:00:03.0/0000:01:00.0/{SIMPLE}");
            machine.write(&format!("{directory}/uevent"), "");
            machine.link(
                &format!("{directory}/driver"),
                "/sys/bus/platform/drivers/simple-framebuffer",
            );
            machine.link(
                &format!("/sys/bus/platform/devices/{SIMPLE}"),
                &format!("../../../devices/pci0000:00/0000:00:03.0/0000:01:00.0/{SIMPLE}"),
            );
            let found = signs(&machine.root(), &functions, "");
            assert_eq!(found, framebuffer(SIMPLE, Some("simple-framebuffer")), "{class}");
        }
        // An NVMe device has none, whatever lies in its memory.
        let machine = TestRoot::new();
        machine.write("/sys/bus/platform/devices/efi-framebuffer.0/uevent", "");
        let disk = [function("0000:00:05.0", "1234:1111", "010802")];
        assert_eq!(signs(&machine.root(), &disk, IOMEM), []);
    }
}
