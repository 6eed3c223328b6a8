//! A reset that only a model has: the kernel lists and does what the bed's module offers it, as it does with the vendor-reset
//! module for real GPUs.

use std::time::Duration;

use anyhow::{Result, ensure};
use fake_gpu::control::{Command, FunctionState, Reset};
use fake_gpu::log::{Entry, Event, Record};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::{disturbances, now};
use reseat_scenarios::contract::rung;
use reseat_scenarios::faults::Depth;
use reseat_scenarios::{Gpu, Rules, Running, Scene, Stage};
use reseat_vm::artifacts::Kernel;
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::ImageSpec;

const MODULE: &str = "bed_device_reset";
const METHOD: &str = "device_specific";
const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";
/// Of a board that a bridge may join to others, in a guest, which does not see all boards.
const NOTHING_IS_JOINED: &str = "[[recover.gpu]]\nselect = \"0000:01:00.0@1002:66a0\"\nfabric = \"none\"\n";
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) fn the_kernel_offers_it_and_does_it(stage: &Stage) -> Result<()> {
    let running = boot(stage, Rules::None)?;
    let gpu = running.gpu(0)?;
    check_offered(&running, gpu)?;
    check_done(&running, gpu)?;
    check_ignored(&running, gpu)
}

pub(crate) fn a_recovery_uses_it_and_believes_marks_only(stage: &Stage) -> Result<()> {
    let running = boot(stage, Rules::File(RULES))?;
    check_not_offered(&running, running.gpu(1)?)?;
    check_recovered(&running, running.gpu(2)?)?;
    check_nothing_done(&running, running.gpu(2)?)?;
    check_first_where_needed(&running, running.gpu(0)?)
}

fn boot(stage: &Stage, rules: Rules<'_>) -> Result<Running> {
    let stage = &stage.with_kernel(Kernel::Trixie);
    let script = GuestFile::executable(
        "usr/share/initramfs-tools/scripts/init-top/000reset",
        format!("#!/bin/sh\ncase \"$1\" in prereqs) exit 0 ;; esac\nmodprobe {MODULE}\n"),
    );
    let spec = ImageSpec {
        modules: vec![MODULE.to_owned()],
        built_modules: true,
        ..ImageSpec::new(Kernel::Trixie)
    };
    let image = stage.image_of(spec, rules, [script])?;
    let on_the_root = format!("{RULES}{NOTHING_IS_JOINED}");
    Scene::new(stage, "device-specific", image)
        .on_the_root([GuestFile::new("etc/reseat/reseat.toml", on_the_root)])
        .gpu(BoardDesign::new(Vendor::AmdVega20, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 1))
        .gpu(BoardDesign::new(Vendor::Amd, 2))
        .boot()
}

/// The module came after the functions: whoever asks for the method gets it, and a function that is found later has it. Those
/// that have no such reset do not.
fn check_offered(running: &Running, gpu: &Gpu) -> Result<()> {
    // A function without any method has no such file.
    let methods = |function: u8| {
        let cat = format!(
            "cat /sys/bus/pci/devices/{}/reset_method || true",
            gpu.function(function)
        );
        Ok::<_, anyhow::Error>(running.shell(&cat)?.trim().to_owned())
    };
    ensure!(!methods(0)?.is_empty(), "it has no method before");
    ensure!(!methods(0)?.contains(METHOD), "{}", methods(0)?);
    running.shell(&choose(&gpu.function(0)))?;
    ensure!(methods(0)? == METHOD, "{}", methods(0)?);
    for other in [gpu.function(1), running.gpu(1)?.function(0)] {
        let chosen = running.run(&choose(&other), TIMEOUT)?;
        ensure!(chosen.status != 0, "{other} has it as well: {chosen:?}");
    }
    running.find(gpu)?;
    ensure!(methods(0)?.split(' ').next() == Some(METHOD), "{}", methods(0)?);
    ensure!(!methods(1)?.contains(METHOD), "{}", methods(1)?);
    running.shell(&choose(&gpu.function(0)))?;
    Ok(())
}

fn choose(function: &str) -> String {
    format!("echo {METHOD} >/sys/bus/pci/devices/{function}/reset_method")
}

/// Resets function 0, and returns how each function was, and what befell it.
fn reset(running: &Running, gpu: &Gpu) -> Result<(Vec<FunctionState>, Vec<Entry>)> {
    let (begin, before) = (now(), gpu.truth()?);
    running.shell(&format!("echo 1 >/sys/bus/pci/devices/{}/reset", gpu.function(0)))?;
    let mut events = disturbances(&gpu.fake, begin, now())?;
    events.retain(|entry| matches!(entry.record, Record::Event(_)));
    Ok((before, events))
}

/// The whole board is reset, by its own register and by nothing else.
fn check_done(running: &Running, gpu: &Gpu) -> Result<()> {
    let (before, events) = reset(running, gpu)?;
    let all = vec![Some(Depth::Device); before.len()];
    ensure!(gpu.resets_since(&before)? == all, "{before:?}, {:?}", gpu.truth()?);
    let functions: Vec<_> = events.iter().map(|entry| entry.function).collect();
    ensure!(
        functions == [Some(0), Some(1)]
            && events
                .iter()
                .all(|entry| entry.record == Record::Event(Event::DeviceSpecific)),
        "{events:?}"
    );
    ensure!(gpu.is_well()?, "{:?}", gpu.truth()?);
    let command = running.shell(&format!(
        "od -An -tx2 -j 4 -N 2 /sys/bus/pci/devices/{}/config",
        gpu.function(0)
    ))?;
    ensure!(!command.contains("ffff"), "{command}");
    Ok(())
}

/// One that the board ignores is a success to the kernel as well.
fn check_ignored(running: &Running, gpu: &Gpu) -> Result<()> {
    gpu.fake.control(&Command::DeviceSpecific(Reset::Ignore))?;
    let (before, events) = reset(running, gpu)?;
    ensure!(!events.is_empty(), "it was not asked for");
    ensure!(
        gpu.resets_since(&before)?.iter().all(Option::is_none),
        "{before:?}, {:?}",
        gpu.truth()?
    );
    Ok(())
}

/// Where the kernel does not list it, it is not available.
fn check_not_offered(running: &Running, gpu: &Gpu) -> Result<()> {
    running.shell(&format!("reseat baseline save {}", gpu.device))?;
    let before = gpu.truth()?;
    let recovery = running.recover_as_it_is(gpu, "--rung device-specific")?;
    ensure!(!recovery.says_recovered(), "{}", recovery.told());
    ensure!(
        gpu.resets_since(&before)?.iter().all(Option::is_none),
        "{}",
        recovery.told()
    );
    // It is well, so nothing is done to it, and it stays in service.
    ensure!(recovery.status == 4, "{}", recovery.told());
    Ok(())
}

/// A GPU that ignores its bus resets and has no FLR is recovered by it, and what was chosen in `reset_method` stays.
fn check_recovered(running: &Running, gpu: &Gpu) -> Result<()> {
    running.shell(&choose(&gpu.function(0)))?;
    running.shell(&format!("reseat baseline save {}", gpu.device))?;
    gpu.fake.control(&Command::Sbr(Reset::Ignore))?;
    let (begin, recovery) = (now(), running.recover_as_it_is(gpu, "")?);
    ensure!(
        recovery.rungs() == [rung::BUS, rung::SBR, rung::DEVICE_SPECIFIC]
            && recovery.by() == Some(rung::DEVICE_SPECIFIC)
            && recovery.says_recovered(),
        "{}\n{}",
        recovery.outline(),
        recovery.told()
    );
    ensure!(recovery.resets() == [Some(Depth::Device); 2], "{:?}", recovery.after);
    let events = disturbances(&gpu.fake, begin, now())?;
    let done = Record::Event(Event::DeviceSpecific);
    ensure!(
        events.iter().filter(|entry| entry.record == done).count() == 2,
        "{events:?}"
    );
    let methods = running.attribute(&gpu.function(0), "reset_method")?;
    ensure!(methods.trim() == METHOD, "{methods}");
    Ok(())
}

/// One that the board ignores is a success to the kernel, and recovers nothing: a register of the audio function shows it.
fn check_nothing_done(running: &Running, gpu: &Gpu) -> Result<()> {
    gpu.fake.control(&Command::DeviceSpecific(Reset::Ignore))?;
    let recovery = running.recover_as_it_is(gpu, "--highest device-specific")?;
    ensure!(
        recovery.did(rung::DEVICE_SPECIFIC) && !recovery.says_recovered() && recovery.status == 5,
        "{}\n{}",
        recovery.outline(),
        recovery.told()
    );
    ensure!(recovery.resets().iter().all(Option::is_none), "{:?}", recovery.after);
    gpu.heal()
}

/// A model that is reported to need it gets it first. This one has no register of its own that would show it.
fn check_first_where_needed(running: &Running, gpu: &Gpu) -> Result<()> {
    running.shell(&choose(&gpu.function(0)))?;
    running.shell(&format!("reseat baseline save {}", gpu.device))?;
    let recovery = running.recover_as_it_is(gpu, "--highest device-specific")?;
    ensure!(
        recovery.rungs().first() == Some(&rung::DEVICE_SPECIFIC) && !recovery.says_recovered(),
        "{}\n{}",
        recovery.outline(),
        recovery.told()
    );
    ensure!(
        recovery.resets().iter().all(|depth| *depth == Some(Depth::Device)),
        "{:?}",
        recovery.after
    );
    Ok(())
}
