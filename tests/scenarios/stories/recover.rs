//! `reseat recover` on a running machine whose GPUs break: what it does, how long it takes, and that it says the truth.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fake_gpu::control::{Bars, Command, Reset, Stuck, Until};
use fake_gpu::log::{Event, Record, Region};
use fake_gpu::profile::{BoardDesign, VbiosVersion, Vendor};
use reseat_scenarios::accesses::{accesses, disturbances, now};
use reseat_scenarios::faults::{self, Case};
use reseat_scenarios::recovery::Recovery;
use reseat_scenarios::{Gpu, Place, Rules, Running, Scene, Stage};
use reseat_vm::artifacts::Kernel;
use serde_json::Value;

const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";

/// Where no reset has to be waited for, two seconds are promised: `cargo xtask bench recover` measures that. Here the
/// machines of two stories share a host with whatever else it does, and what counts is that nothing waits for a minute.
const SOON: Duration = Duration::from_secs(8);
/// What the kernel itself needs for an FLR that a function does not survive, and the rest.
const AFTER_A_DEAD_FLR: Duration = Duration::from_secs(80);

/// The registers are dead, and an FLR would take the GPU off the bus.
const SICK_AND_FLR_KILLS: Case = Case {
    name: "BAR0 dead, FLR would kill",
    faults: &[
        (Some(0), Command::Bars(Bars::BadFive { until: Until::Sbr })),
        (None, Command::Flr(Reset::Kill)),
    ],
};

/// Transactions are stuck, and an FLR would take the GPU off the bus.
const STUCK_AND_FLR_KILLS: Case = Case {
    name: "transactions stuck, FLR would kill",
    faults: &[
        (Some(0), Command::Pending(Stuck::Stuck { until: Until::Sbr })),
        (None, Command::Flr(Reset::Kill)),
    ],
};

/// One line of the table: a fault, and what has to come of it.
struct Line {
    case: Case,
    arguments: &'static str,
    /// The rungs, in order; the last one brings it back.
    rungs: &'static [&'static str],
    at_most: Duration,
}

const fn line(case: Case, arguments: &'static str, rungs: &'static [&'static str], at_most: Duration) -> Line {
    Line {
        case,
        arguments,
        rungs,
        at_most,
    }
}

const FLR: &str = "kernel-flr";
const SBR: &str = "detach-sbr";

/// In this order, since each outcome of an FLR is remembered for the class.
const TABLE: [Line; 9] = [
    line(faults::OFF_THE_BUS, "", &[SBR], SOON),
    line(SICK_AND_FLR_KILLS, "", &[SBR], SOON),
    line(STUCK_AND_FLR_KILLS, "", &[SBR], SOON),
    line(faults::REGISTERS_DEAD, "", &[SBR], SOON),
    line(faults::HEALTHY, "", &[FLR], SOON),
    line(faults::FLR_HANGS, "", &[FLR], Duration::from_secs(12)),
    // Found, and the next rung.
    line(
        faults::FLR_IGNORED,
        "--prefer flr",
        &[FLR, SBR],
        Duration::from_secs(25),
    ),
    // The class is known bad from there on.
    line(faults::FLR_KILLS, "--prefer flr", &[FLR, SBR], AFTER_A_DEAD_FLR),
    line(faults::FLR_KILLS, "", &[SBR], SOON),
];

fn board(functions: usize) -> BoardDesign {
    BoardDesign::new(Vendor::Nvidia, functions)
}

fn scene<'a>(stage: &'a Stage, name: &'a str) -> Result<Scene<'a>> {
    let image = stage.image_with_modules(&["nvme"], Rules::File(RULES), [])?;
    Ok(Scene::new(stage, name, image).traced())
}

pub(crate) fn table_on_6_1(stage: &Stage) -> Result<()> {
    table(stage, "recover-6.1")
}

pub(crate) fn table_on_6_12(stage: &Stage) -> Result<()> {
    table(&stage.with_kernel(Kernel::Trixie), "recover-6.12")
}

fn table(stage: &Stage, name: &str) -> Result<()> {
    let running = scene(stage, name)?
        .gpu(board(2))
        .gpu(board(4))
        .gpu(board(1))
        .gpu(board(2))
        .boot()?;
    running.save_baselines()?;
    let bystander = running.gpu(3)?;
    let begin = now();
    for (index, line) in TABLE.iter().enumerate() {
        // Boards of all shapes in turn.
        let gpu = running.gpu(index % 3)?;
        let recovery = running.recover(gpu, &line.case, line.arguments)?;
        check_line(line, &recovery).with_context(|| format!("{}: {}", line.case.name, recovery.told()))?;
        check_back(&running, gpu, &recovery)?;
        gpu.heal()?;
        running.renew(gpu)?;
    }
    let seen = disturbances(&bystander.fake, begin, now())?;
    ensure!(seen.is_empty(), "a bystander was disturbed: {seen:?}");
    Ok(())
}

fn check_line(line: &Line, recovery: &Recovery) -> Result<()> {
    ensure!(recovery.rungs() == line.rungs, "rungs {:?}", recovery.rungs());
    ensure!(
        recovery.by() == line.rungs.last().copied(),
        "ended with {:?}",
        recovery.end()
    );
    ensure!(
        recovery.took <= line.at_most,
        "it took {:?}, {:?} is promised",
        recovery.took,
        line.at_most
    );
    Ok(())
}

/// Checks that a GPU that was brought back is as it was claimed, and that no port was reset but its own.
fn check_back(running: &Running, gpu: &Gpu, recovery: &Recovery) -> Result<()> {
    for function in 0..gpu.functions() {
        running.check_pinned(&gpu.function(function))?;
    }
    let resets = running.port_resets(recovery.since, now())?;
    ensure!(
        resets.iter().all(|reset| reset.port == gpu.port),
        "other ports were reset: {resets:?}"
    );
    let has_reset = !resets.is_empty();
    ensure!(
        has_reset == recovery.rungs().contains(&SBR),
        "{resets:?}, {:?}",
        recovery.rungs()
    );
    Ok(())
}

/// A disk in the domain is never hit, and one outside it feels nothing of a reset beside it.
pub(crate) fn a_disk_with_its_io_running_is_spared(stage: &Stage) -> Result<()> {
    let running = scene(stage, "recover-disks")?
        .gpu_at(board(2), Place::BehindSwitch)
        .gpu_at(board(2), Place::BesideDisk)
        .boot()?;
    running.save_baselines()?;
    for (index, status) in [(0, 0), (1, 5)] {
        let gpu = running.gpu(index)?;
        let reads = running.read_disk(gpu)?;
        let recovery = running.recover(gpu, &faults::REGISTERS_DEAD, "")?;
        ensure!(recovery.status == status, "{}", recovery.told());
        reads.stop()?.check_undisturbed()?;
        let resets = running.port_resets(recovery.since, now())?;
        ensure!(
            resets.iter().all(|reset| reset.port == gpu.port),
            "other ports were reset: {resets:?}"
        );
        if status == 0 {
            check_back(&running, gpu, &recovery)?;
        } else {
            let disk = gpu.disk.as_deref().context("there is no disk")?;
            ensure!(recovery.says(disk), "the disk is not named: {}", recovery.told());
            ensure!(
                !recovery.did("remove-below-card-root") && !recovery.did("power-off"),
                "{}",
                recovery.told()
            );
            ensure!(resets.is_empty(), "the domain was reset: {resets:?}");
        }
    }
    Ok(())
}

/// What only power brings back: behind a slot that may be switched it is recovered; else it goes out of service, and no
/// virtual machine can open it any more.
pub(crate) fn only_power_helps(stage: &Stage) -> Result<()> {
    let running = scene(stage, "recover-power")?
        .gpu(board(2))
        .gpu(board(2))
        .gpu(board(1))
        .boot()?;
    running.save_baselines()?;
    let keeper = running.keep_slots();
    let gpu = running.gpu(0)?;
    let recovery = running.recover(gpu, &faults::OFF_THE_BUS_UNTIL_POWER, "")?;
    ensure!(recovery.by() == Some("slot-power"), "{}", recovery.told());
    for function in 0..gpu.functions() {
        running.check_pinned(&gpu.function(function))?;
    }
    ensure!(keeper.refills()?.len() == 1, "{:?}", keeper.refills()?);

    let gpu = running.gpu(1)?;
    let group = running.shell(&format!(
        "basename $(readlink /sys/bus/pci/devices/{}/iommu_group)",
        gpu.function(0)
    ))?;
    running.shell(&format!("test -e /dev/vfio/{}", group.trim()))?;
    let recovery = running.recover(gpu, &faults::OFF_THE_BUS_UNTIL_POWER, "--highest detach-sbr")?;
    ensure!(recovery.status == 5 && recovery.rungs() == [SBR], "{}", recovery.told());
    running.shell(&format!("! test -e /dev/vfio/{}", group.trim()))?;
    running.shell(&format!("grep -q {} /var/lib/reseat/quarantine.json", gpu.device))?;
    Ok(())
}

/// Under lockdown the registers behind BAR 0 are read through VFIO, where a sibling can be unbound so that it is no reset;
/// of a GPU without one they cannot be read: the same verdicts, and never "recovered".
pub(crate) fn lockdown_leaves_it_unverified(stage: &Stage) -> Result<()> {
    let with_rom = BoardDesign {
        vbios: Some(VbiosVersion([0x94, 0x02, 0x5c, 0x00, 0x08])),
        ..board(1)
    };
    let running = scene(stage, "recover-lockdown")?
        .gpu(board(2))
        .gpu(with_rom)
        .append("lockdown=integrity")
        .boot()?;
    running.shell("grep -q '\\[integrity\\]' /sys/kernel/security/lockdown || mount -t securityfs s /sys/kernel/security; grep -q '\\[integrity\\]' /sys/kernel/security/lockdown")?;
    let begin = now();
    // The ROM is no register, and lets itself be read.
    let saved = running.shell("reseat baseline save 0000:01:00 0000:02:00")?;
    ensure!(
        saved.contains("0000:02:00: baseline recorded, 1 function, VBIOS 94.02.5c.00.08"),
        "{saved}"
    );
    for words in [
        "0000:01:00: the version of its VBIOS is not known: its ROM is seen through the copy",
        "0000:02:00.0: the registers behind its BARs are not read: lockdown forbids resourceN, and VFIO: \
         it is the card's only function",
    ] {
        ensure!(saved.contains(words), "{saved}");
    }
    let (gpu, single) = (running.gpu(0)?, running.gpu(1)?);
    for (gpu, is_read) in [(gpu, true), (single, false)] {
        ensure!(
            resets(gpu, begin)?.is_empty(),
            "the look was a reset: {:?}",
            resets(gpu, begin)?
        );
        let mut reads = accesses(&gpu.fake, Region::Bar(0))?;
        reads.retain(|(_, at, _)| *at >= begin);
        ensure!(reads.is_empty() != is_read, "{}: {reads:?}", gpu.device);
    }
    check_settled(&running, gpu)?;
    for (index, case, rungs, status) in [
        (0, &faults::REGISTERS_DEAD, &[SBR], 0),
        (0, &faults::HEALTHY, &[FLR], 0),
        (0, &faults::OFF_THE_BUS, &[SBR], 0),
        (1, &faults::HEALTHY, &[FLR], 3),
    ] {
        let gpu = running.gpu(index)?;
        let recovery = running.recover(gpu, case, "")?;
        let as_told = recovery.status == status && recovery.rungs() == rungs;
        ensure!(as_told, "{}: {}", case.name, recovery.told());
        ensure!(recovery.well, "{:?}", gpu.truth()?);
        check_back(&running, gpu, &recovery)?;
        // Those of the rungs, and no others: an FLR hits the GPU itself, what comes from above each function.
        let expected: Vec<_> = match rungs {
            &[FLR] => vec![(0, Event::Flr)],
            _ => (0..gpu.functions()).map(|function| (function, Event::Sbr)).collect(),
        };
        let seen = resets(gpu, recovery.since)?;
        ensure!(seen == expected, "{}: {seen:?}", case.name);
        check_settled(&running, gpu)?;
    }
    killed_while_it_looks(&running, gpu)
}

/// Killed while the sibling is unbound, and while no reset method is left: whoever comes next puts that back, also when the
/// GPU has died meanwhile and the sibling can be bound only after its reset.
fn killed_while_it_looks(running: &Running, gpu: &Gpu) -> Result<()> {
    let sbr = (0..gpu.functions()).map(|function| (function, Event::Sbr)).collect();
    for (until, left, case, expected) in [
        (
            "! [ -e $d.1/driver ]",
            "! [ -e $d.1/driver ]",
            &faults::HEALTHY,
            vec![(0, Event::Flr)],
        ),
        (
            "! { read m <$d.0/reset_method && [ -n \"$m\" ]; }",
            "! [ -e $d.1/driver ] && ! grep -q flr $d.0/reset_method",
            &faults::OFF_THE_BUS,
            sbr,
        ),
    ] {
        let begin = now();
        // A host that is busy may let the moment pass: then nothing is left, and there is another one.
        let script = format!(
            "cd /sys/bus/pci/devices; d={device}; n=0\n\
             while [ $n -lt 5 ]; do n=$((n + 1))\n\
             setsid reseat baseline save $d >/dev/null 2>&1 & p=$!\n\
             until {until}; do kill -0 $p 2>/dev/null || break; done; kill -9 -$p; wait $p\n\
             usleep 500000\n\
             [ -e /run/reseat/looks/$d.json ] && {left} && exit 0\n\
             done; exit 1",
            device = gpu.device,
        );
        let ended = running.run(&script, Duration::from_secs(60))?;
        ensure!(ended.status == 0, "nothing is left to be put back, {until}: {ended:?}");
        ensure!(resets(gpu, begin)?.is_empty(), "{:?}", resets(gpu, begin)?);
        let recovery = running.recover(gpu, case, "")?;
        ensure!(recovery.status == 0, "{}", recovery.told());
        ensure!(resets(gpu, begin)? == expected, "{:?}", resets(gpu, begin)?);
        check_back(running, gpu, &recovery)?;
        check_settled(running, gpu)?;
    }
    Ok(())
}

/// Which functions of a GPU were reset since a moment, and how.
fn resets(gpu: &Gpu, since: Duration) -> Result<Vec<(u8, Event)>> {
    let entries = gpu.fake.entries()?.into_iter().filter(|entry| entry.at.0 >= since);
    let mut resets: Vec<_> = entries
        .filter_map(|entry| match (entry.function, entry.record) {
            (Some(function), Record::Event(event @ (Event::Flr | Event::Pm | Event::Sbr | Event::Disconnect))) => {
                Some((function, event))
            }
            _ => None,
        })
        .collect();
    resets.sort_by_key(|(function, _)| *function);
    Ok(resets)
}

/// Checks that nothing is left of a look through VFIO.
fn check_settled(running: &Running, gpu: &Gpu) -> Result<()> {
    for function in 0..gpu.functions() {
        running.check_pinned(&gpu.function(function))?;
    }
    let device = &gpu.device;
    running.shell(&format!(
        "! [ -e /run/reseat/looks/{device}.json ] && grep -q flr /sys/bus/pci/devices/{device}.0/reset_method"
    ))?;
    Ok(())
}

/// Whoever holds the group's file is named, and his GPU is not touched, not by force either: the kernel would wait for him.
/// Whom it would not wait for is passed over by force.
pub(crate) fn what_somebody_holds_is_refused(stage: &Stage) -> Result<()> {
    let running = scene(stage, "recover-held")?.gpu(board(2)).boot()?;
    running.save_baselines()?;
    let gpu = running.gpu(0)?;
    let group = running.shell(&format!(
        "basename $(readlink /sys/bus/pci/devices/{}/iommu_group)",
        gpu.function(0)
    ))?;
    let holder = format!(
        "exec 3<>/dev/vfio/{}; echo $$ >/tmp/holder; while :; do usleep 100000; done",
        group.trim()
    );
    let job = running.start(&holder)?;
    running.shell("while ! test -s /tmp/holder; do usleep 10000; done")?;
    let begin = now();
    let pid = running.shell("cat /tmp/holder")?;
    let group = group.trim();
    for force in ["", "--force"] {
        let recovery = running.recover(gpu, &faults::HEALTHY, force)?;
        ensure!(
            recovery.status == 4 && recovery.rungs().is_empty(),
            "{}",
            recovery.told()
        );
        ensure!(
            recovery.says(pid.trim()) && recovery.says(&format!("/dev/vfio/{group}")),
            "the holder is not named: {}",
            recovery.told()
        );
        ensure!(recovery.says("not forced: ") != force.is_empty(), "{}", recovery.told());
    }
    running.shell(&format!("dmesg | grep 'reseat: {}: not forced: '", gpu.device))?;
    running.shell("! grep -q . /var/lib/reseat/quarantine.json 2>/dev/null")?;
    let seen = disturbances(&gpu.fake, begin, now())?;
    ensure!(seen.is_empty(), "it was disturbed: {seen:?}");
    running.shell("kill $(cat /tmp/holder)")?;
    job.wait(Duration::from_secs(10))?;
    let recovery = running.recover(gpu, &faults::HEALTHY, "")?;
    ensure!(recovery.by() == Some(FLR), "{}", recovery.told());

    running.shell("rm /tmp/holder")?;
    let holder = format!(
        "exec 3</sys/bus/pci/devices/{}/resource0; echo $$ >/tmp/holder; while :; do usleep 100000; done",
        gpu.function(0)
    );
    let job = running.start(&holder)?;
    running.shell("while ! test -s /tmp/holder; do usleep 10000; done")?;
    let recovery = running.recover(gpu, &faults::HEALTHY, "")?;
    ensure!(recovery.status == 4, "{}", recovery.told());
    let recovery = running.recover(gpu, &faults::HEALTHY, "--force")?;
    ensure!(recovery.by() == Some(FLR), "{}", recovery.told());
    let last: Value = serde_json::from_str(&running.shell("tail -n 1 /var/lib/reseat/history.jsonl")?)?;
    ensure!(last["record"]["forced"] == true, "{last}");
    running.shell("kill $(cat /tmp/holder)")?;
    job.wait(Duration::from_secs(10))?;
    Ok(())
}

/// Killed at a hundred points of a reset, and gone on with: the GPU is as it was, every time, and nobody else's was
/// touched.
pub(crate) fn killed_at_any_point_it_is_resumed(stage: &Stage) -> Result<()> {
    const POINTS: u32 = 100;
    let running = scene(stage, "recover-killed")?.gpu(board(2)).gpu(board(1)).boot()?;
    running.save_baselines()?;
    let (gpu, bystander) = (running.gpu(0)?, running.gpu(1)?);
    let begin = now();
    // One in four is killed in an FLR. A point is so many lines of what is told, and a little time: the first dozen come
    // before anything is changed. A worker outlives whoever started it, and may be about to write the journal.
    let script = format!(
        "cd /sys/bus/pci/devices; d={device}; resumed=0; n=0\n\
         while [ $n -lt {POINTS} ]; do\n\
         p=sbr; [ $((n % 4)) = 0 ] && p=flr\n\
         reseat recover $d --prefer $p --json >/tmp/first & pid=$!\n\
         while [ $(wc -l </tmp/first) -lt $((10 + n % 34)) ] && kill -0 $pid 2>/dev/null; do :; done\n\
         usleep $((n / 34 * 3000)); kill -9 $pid 2>/dev/null; wait $pid\n\
         [ -e /run/reseat/recovery/$d.json ] || while pidof reseat >/dev/null; do usleep 10000; done\n\
         if [ -e /run/reseat/recovery/$d.json ]; then\n\
         resumed=$((resumed + 1))\n\
         reseat recover $d && {{ echo point $n: begun anew; exit 1; }}\n\
         reseat recover $d --resume --json >/tmp/out 2>&1 || {{ echo point $n, $p: status $?; cat /tmp/out; exit 1; }}\n\
         fi\n\
         for f in $d.0 $d.1; do\n\
         s=\"$(basename $(readlink $f/driver)) $(cat $f/driver_override $f/d3cold_allowed $f/power/control $f/power_state | tr '\\n' ' ')\"\n\
         [ \"$s\" = 'vfio-pci vfio-pci 0 on D0 ' ] || {{ echo point $n, $p: $f is $s; cat /tmp/out; exit 1; }}\n\
         done\n\
         [ -e /run/reseat/recovery/$d.json ] && {{ echo point $n: a journal is left; exit 1; }}\n\
         n=$((n + 1)); done; echo $resumed",
        device = gpu.device
    );
    let ended = running.run(&script, Duration::from_secs(600))?;
    ensure!(ended.status == 0, "{}{}", ended.stdout, ended.stderr);
    let resumed: u32 = ended.stdout.lines().last().unwrap_or_default().trim().parse()?;
    ensure!(
        resumed > POINTS / 2,
        "only {resumed} of {POINTS} were killed in the middle"
    );
    ensure!(gpu.is_well()?, "{:?}", gpu.truth()?);
    let seen = disturbances(&bystander.fake, begin, now())?;
    ensure!(seen.is_empty(), "a bystander was disturbed: {seen:?}");
    Ok(())
}
