//! The only display of a machine, with the picture that the firmware left, beside a GPU that shows nothing.

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::contract::{duration_ms, verdict};
use reseat_scenarios::{Firmware, Rules, Running, Scene, Stage};
use reseat_vm::artifacts::Kernel;
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::{Image, ImageSpec};
use serde_json::Value;

/// Where QEMU's display stands.
const DISPLAY: &str = "0000:00:10";

/// A machine with one display, and what its kernel makes of the picture.
struct Setting {
    name: &'static str,
    firmware: Firmware,
    /// QEMU's device; none where a GPU has the picture.
    device: Option<&'static str>,
    /// The device that has the picture.
    display: &'static str,
    /// The GPU that shows nothing.
    idle: &'static str,
    /// For the kernel: what has it made so.
    append: &'static str,
    /// The platform device, and its driver.
    framebuffer: &'static str,
    /// What /proc/fb has.
    shown: &'static str,
    /// Whether vfio-pci removes the platform device, beside the driver that lets go.
    removed: bool,
}

/// By a BIOS, class 0300.
pub(crate) fn is_refused_unless_forced(stage: &Stage) -> Result<()> {
    let setting = Setting {
        name: "only-display",
        firmware: Firmware::Bios,
        device: Some("VGA,addr=10.0"),
        display: DISPLAY,
        idle: "0000:01:00.0",
        // 1024x768, which the firmware sets up and hands over.
        append: "vga=0x317",
        framebuffer: "vesa-framebuffer.0 on driver vesa-framebuffer",
        shown: "VESA VGA",
        removed: true,
    };
    let running = boot(stage, &setting, stage.image_without_drivers(Rules::None, [])?)?;
    play(&running, &setting)
}

/// By UEFI, class 0300.
pub(crate) fn of_uefi_is_refused_unless_forced(stage: &Stage) -> Result<()> {
    let setting = Setting {
        name: "only-display-efifb",
        firmware: Firmware::Uefi,
        device: Some("VGA,addr=10.0"),
        display: DISPLAY,
        idle: "0000:01:00.0",
        append: "",
        framebuffer: "efi-framebuffer.0 on driver efi-framebuffer",
        shown: "EFI VGA",
        removed: true,
    };
    let running = boot(stage, &setting, stage.image_without_drivers(Rules::None, [])?)?;
    play(&running, &setting)
}

/// By UEFI, class 0380, of which vfio-pci itself removes nothing, on simpledrm. Debian's kernels have that nowhere, so it is
/// built from the kernel's source, and a module of the bed has the kernel make the device; from there on all is the kernel's.
pub(crate) fn on_simpledrm_is_refused_unless_forced(stage: &Stage) -> Result<()> {
    let setting = Setting {
        name: "only-display-simpledrm",
        firmware: Firmware::Uefi,
        device: Some("bochs-display,addr=10.0"),
        display: DISPLAY,
        idle: "0000:01:00.0",
        // simplefb is what Debian has in its place.
        append: "initcall_blacklist=sysfb_init,simplefb_driver_init",
        framebuffer: "simple-framebuffer.0 on driver simple-framebuffer",
        shown: "simpledrmdrmfb",
        removed: false,
    };
    on_simpledrm(stage, &setting, "")
}

/// Class 0302, of which no firmware of the bed shows anything: the module says where a picture begins, and the kernel makes of
/// that what it makes of a firmware's.
pub(crate) fn of_a_3d_controller_is_refused_unless_forced(stage: &Stage) -> Result<()> {
    let setting = Setting {
        name: "only-display-3d",
        firmware: Firmware::Bios,
        device: None,
        display: "0000:01:00",
        idle: "0000:02:00.0",
        append: "initcall_blacklist=simplefb_driver_init",
        framebuffer: "simple-framebuffer.0 on driver simple-framebuffer",
        shown: "simpledrmdrmfb",
        removed: false,
    };
    on_simpledrm(stage, &setting, "holder=0000:01:00.0 bar=1")
}

/// Plays on a kernel with simpledrm, whose device the bed's module has made, by its `parameters`.
fn on_simpledrm(stage: &Stage, setting: &Setting, parameters: &str) -> Result<()> {
    let stage = &stage.with_kernel(Kernel::Trixie);
    // Before reseat's script, by name: a kernel that has them has them built in.
    let script = GuestFile::executable(
        "usr/share/initramfs-tools/scripts/init-top/000sysfb",
        format!(
            "#!/bin/sh\ncase \"$1\" in prereqs) exit 0 ;; esac\nmodprobe simpledrm && modprobe bed_sysfb {parameters}\n"
        ),
    );
    let spec = ImageSpec {
        modules: vec!["simpledrm".to_owned(), "bed_sysfb".to_owned()],
        built_modules: true,
        ..ImageSpec::new(Kernel::Trixie)
    };
    let image = stage.image_of(spec, Rules::None, [script])?;
    let running = boot(stage, setting, image)?;
    play(&running, setting)
}

/// How long the console is busy, in seconds: for longer than any claim takes.
const BUSY_S: u32 = 20;

/// By a BIOS, in text mode: no framebuffer, but the kernel's own text console. Somebody has the console's lock while the boot
/// claims, as a driver does that is stuck in taking the console over, and whoever asks what the console is bound to waits for
/// that one. The claim does not; what it could not ask counts as bound.
pub(crate) fn in_text_mode_is_refused_though_the_console_is_busy(stage: &Stage) -> Result<()> {
    const SAYS: &str = "0000:00:10: refused: it is the only display of this machine (the kernel's text console is on";
    let stage = &stage.with_kernel(Kernel::Trixie);
    let script = GuestFile::executable(
        "usr/share/initramfs-tools/scripts/init-top/000console",
        format!(
            "#!/bin/sh\ncase \"$1\" in prereqs) exit 0 ;; esac\nmodprobe bed_console seconds={BUSY_S}\n\
             cut -d ' ' -f 1 /proc/uptime > /run/busy\n"
        ),
    );
    let spec = ImageSpec {
        modules: vec!["bed_console".to_owned()],
        built_modules: true,
        ..ImageSpec::new(Kernel::Trixie)
    };
    let image = stage.image_of(spec, Rules::None, [script])?;
    let running = Scene::new(stage, "only-display-text", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .arguments(&["-device", "VGA,addr=10.0"])
        .booted_by(Firmware::Bios)
        .append("reseat.claim=gpu")
        .boot()?;
    let report = running.report()?;
    let took = duration_ms(&report)?;
    ensure!(took < 10_000.0, "the claim took {took} ms");
    running.line(SAYS)?;
    for function in ["0000:01:00.0", "0000:01:00.1"] {
        running.check_claimed(function)?;
    }

    // The console is there to be asked again.
    let passed = running.shell("cat /run/busy; cut -d ' ' -f 1 /proc/uptime")?;
    let passed: Vec<f64> = passed.split_whitespace().flat_map(str::parse).collect();
    let [since, now] = passed.as_slice() else {
        anyhow::bail!("these are not two times: {passed:?}");
    };
    let left = (f64::from(BUSY_S) - (now - since)).max(0.0);
    let checked = running.shell(&format!(
        "sleep {left:.0}; sleep 1; reseat rules check || echo status $?"
    ))?;
    ensure!(checked.contains(SAYS) && checked.contains("status 4"), "{checked}");
    Ok(())
}

fn boot(stage: &Stage, setting: &Setting, image: Image) -> Result<Running> {
    let mut gpu = BoardDesign::new(Vendor::Nvidia, 1);
    // A 3D controller has no outputs.
    gpu.classes = vec!["0=030200".parse()?];
    let scene = Scene::new(stage, setting.name, image).gpu(gpu.clone());
    let scene = match setting.device {
        Some(device) => scene.arguments(&["-device", device]),
        None => scene.gpu(gpu),
    };
    scene
        .booted_by(setting.firmware)
        .append(&format!("reseat.claim=gpu {}", setting.append))
        .boot()
}

fn play(running: &Running, setting: &Setting) -> Result<()> {
    let Setting {
        framebuffer,
        display,
        idle,
        ..
    } = setting;
    let function = &format!("{display}.0");
    // The boot: it stays, and the GPU is claimed all the same.
    let refused = running.line(&format!("reseat: {display}: refused: it is the only display"))?;
    ensure!(
        refused
            .text
            .contains(&format!("{framebuffer}) is in the memory of {function}")),
        "{refused:?}"
    );
    running.check_claimed(idle)?;
    ensure!(
        framebuffers(running)?.contains(setting.shown),
        "nothing is shown: this boot proves nothing"
    );
    ensure!(driver(running, display)? == "-", "somebody has the display");
    let checked = running.shell("reseat rules check || echo status $?")?;
    ensure!(
        checked.contains(&format!("{display}: refused: it is the only display")) && checked.contains("status 4"),
        "{checked}"
    );

    // By force: the framebuffer lets go, and vfio-pci has it.
    let rules = format!("[[claim]]\\nselect = \"{function}\"\\nforce-display = true\\n");
    let forced = running.shell(&format!(
        "printf '{rules}' > /run/force.toml; reseat-claim --rules /run/force.toml --report /run/forced.json > /dev/null; \
         cat /run/forced.json"
    ))?;
    let report: Value = serde_json::from_str(&forced).with_context(|| forced.clone())?;
    let gpus = report["gpus"].as_array().context("no GPUs")?;
    let forced = gpus
        .iter()
        .find(|gpu| gpu["device"] == *display)
        .context("no display")?;
    if !setting.removed {
        return check_given_back(running, setting, forced);
    }
    let fact = |name: &str| forced["display"][0]["evidence"][name].as_str().unwrap_or_default();
    let shown = format!("{} on driver {}", fact("framebuffer"), fact("driver"));
    ensure!(verdict(forced) == "claimed" && shown == *framebuffer, "{report:#}");
    ensure!(
        driver(running, display)? == "vfio-pci",
        "the display is not on vfio-pci"
    );
    ensure!(
        framebuffers(running)?.trim().is_empty(),
        "somebody still draws in its memory"
    );
    check_let_go(running, setting)
}

/// The kernel's device keeps the memory when its driver has let go, and no VM could have that: so the display is given back as
/// it was, with its picture, and what helps is named.
fn check_given_back(running: &Running, setting: &Setting, forced: &Value) -> Result<()> {
    let problem = &forced["problem"];
    ensure!(
        verdict(forced) == "rolled-back" && problem["id"] == "bar-occupied" && problem["evidence"]["owner"] == "BOOTFB",
        "{forced:#}"
    );
    ensure!(problem["remedy"] == "blacklist-sysfb", "{forced:#}");
    ensure!(driver(running, setting.display)? == "-", "somebody has the display");
    ensure!(
        framebuffers(running)?.contains(setting.shown),
        "the picture did not come back"
    );
    let iomem = running.shell("grep -A 1 BOOTFB /proc/iomem")?;
    ensure!(iomem.contains("BOOTFB"), "nothing was in the way: {iomem}");
    let checked = running.shell("reseat rules check --rules /run/force.toml || echo status $?")?;
    ensure!(
        checked.contains("BOOTFB lies in the memory of") && checked.contains("status 7"),
        "{checked}"
    );
    Ok(())
}

/// The platform device is gone.
fn check_let_go(running: &Running, setting: &Setting) -> Result<()> {
    let device = setting.framebuffer.split_whitespace().next().unwrap_or_default();
    let state = running.shell(&format!(
        "if [ -e /sys/bus/platform/devices/{device} ]; then echo there; else echo removed; fi"
    ))?;
    ensure!(state.trim() == "removed", "{device} is {state}");
    Ok(())
}

fn framebuffers(running: &Running) -> Result<String> {
    running.shell("cat /proc/fb")
}

fn driver(running: &Running, display: &str) -> Result<String> {
    let drivers = running.drivers(display)?;
    drivers
        .get(&format!("{display}.0"))
        .cloned()
        .context("the display is gone")
}
