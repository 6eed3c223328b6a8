//! A GPU that the kernel has a variant of vfio-pci for: each builder brings it into the image, the claim gives it the function
//! that it is made for, and a recovery gives it back. No kernel of Debian has such a variant; NVIDIA's for Grace Hopper is
//! built from the kernel's own source.

use anyhow::{Context, Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::device_accesses;
use reseat_scenarios::contract::{as_text, rung, verdict};
use reseat_scenarios::{Rules, Running, Scene, Stage};
use reseat_vm::artifacts::Kernel;
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::{Builder, Image, ImageSpec};

/// Module and driver.
const VARIANT: &str = "nvgrace_gpu_vfio_pci";
/// What it is made for, and what stands beside it.
const GPU: &str = "0000:01:00.0";
const AUDIO: &str = "0000:01:00.1";

fn image(stage: &Stage, builder: Builder, more: impl IntoIterator<Item = GuestFile>) -> Result<Image> {
    let spec = ImageSpec {
        builder,
        built_modules: true,
        ..ImageSpec::new(Kernel::Trixie)
    };
    stage.image_of(spec, Rules::None, more)
}

fn boot(stage: &Stage, name: &str, image: Image) -> Result<Running> {
    let stage = stage.with_kernel(Kernel::Trixie);
    let mut board = BoardDesign::new(Vendor::Nvidia, 2);
    board.identities.push("0=10de:2342".parse()?);
    board.classes.push("0=030200".parse()?);
    // What is on a machine's root beside the modules themselves, which are all loaded here.
    let aliases = format!("alias vfio_pci:v000010DEd00002342sv*sd*bc*sc*i* {VARIANT}\n");
    let list = format!("lib/modules/{}/modules.alias", stage.kernel_version()?);
    Scene::new(&stage, name, image)
        .gpu(board)
        .on_the_root([
            GuestFile::new(list, aliases),
            GuestFile::new("etc/reseat/reseat.toml", ""),
            GuestFile::new("etc/accepting.toml", "[recover]\nunproven = \"accept\"\n"),
        ])
        .append("reseat.claim=gpu")
        .boot()
}

/// The variant has the GPU, vfio-pci what is beside it, both pinned, and nouveau came to neither.
fn check_claimed(running: &Running) -> Result<()> {
    running.check_pinned_on(GPU, VARIANT)?;
    running.check_pinned(AUDIO)?;
    let report = running.report()?;
    let function = &report["gpus"][0]["functions"][0];
    ensure!(
        verdict(&report) == "claimed"
            && function["variant"]["module"] == VARIANT
            && function["variant"]["driver"] == VARIANT
            && function["driver"] == VARIANT,
        "{report:#}"
    );
    running.line(&format!(
        "2 functions on vfio-pci ({GPU} by {VARIANT}), in D0 and pinned"
    ))?;
    let gpu = running.gpus.first().context("no GPU")?;
    let touched = device_accesses(&gpu.fake)?;
    ensure!(touched.is_empty(), "it was touched: {touched:?}");
    Ok(())
}

pub(crate) fn claimed_and_recovered(stage: &Stage) -> Result<()> {
    let running = boot(stage, "variant", image(stage, Builder::InitramfsTools, [])?)?;
    check_claimed(&running)?;
    running.save_baselines()?;
    let gpu = running.gpus.first().context("no GPU")?;
    let recovery = running.recover_as_it_is(gpu, "")?;
    // No bus reset for this model, by a quirk, and no FLR beside it: it is well, and the last user's state may be left there.
    ensure!(
        recovery.status == 3
            && recovery.rungs() == [rung::FLR]
            && recovery.says(&format!("{AUDIO} was not reset: it has no FLR")),
        "{}",
        recovery.told()
    );
    running.check_pinned_on(GPU, VARIANT)?;
    running.check_pinned(AUDIO)?;
    running.shell("mount -o bind /etc/accepting.toml /etc/reseat/reseat.toml")?;
    // Out of service, and back to the same driver.
    running.shell("reseat quarantine add 0000:01:00 --reason noise")?;
    let drivers = running.drivers("0000:01:00")?;
    ensure!(drivers.values().all(|driver| driver == "-"), "{drivers:?}");
    running.shell("reseat return-to-service 0000:01:00 --resets 1")?;
    running.check_pinned_on(GPU, VARIANT)?;
    running.check_pinned(AUDIO)
}

pub(crate) fn brought_by_dracut(stage: &Stage) -> Result<()> {
    let running = boot(stage, "variant-dracut", image(stage, Builder::Dracut, [])?)?;
    check_claimed(&running)
}

/// Of the kernel's lists mkinitcpio keeps none that is text.
pub(crate) fn brought_by_scripts_under_stand_ins(stage: &Stage) -> Result<()> {
    let image = image(stage, Builder::MkinitcpioStandIns, [])?;
    let running = boot(stage, "variant-mkinitcpio", image)?;
    check_claimed(&running)
}

/// The negative: one that cannot be loaded is reported, and vfio-pci takes its place.
pub(crate) fn one_that_cannot_be_loaded(stage: &Stage) -> Result<()> {
    // Not before the boot, or the module were not in the image.
    let refuse = GuestFile::executable(
        "usr/share/initramfs-tools/scripts/init-top/000refuse",
        format!(
            "#!/bin/sh\ncase \"$1\" in prereqs) exit 0 ;; esac\n\
             mkdir -p /etc/modprobe.d && echo 'install {VARIANT} /bin/false' >/etc/modprobe.d/refused.conf\n"
        ),
    );
    let image = image(stage, Builder::InitramfsTools, [refuse])?;
    let running = boot(stage, "variant-refused", image)?;
    running.check_pinned(GPU)?;
    running.check_pinned(AUDIO)?;
    let report = running.report()?;
    let problem = as_text(&report["problems"][0]);
    ensure!(
        problem.contains(VARIANT) && problem.ends_with("vfio-pci takes its place"),
        "{report:#}"
    );
    ensure!(report["gpus"][0]["functions"][0]["variant"].is_null(), "{report:#}");
    Ok(())
}
