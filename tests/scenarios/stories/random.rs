//! Faults that are drawn, on boards of each vendor: what a recovery says is held against the fake's truth. No "recovered" of a
//! GPU that is not, and none given up that a reset brings back.

use std::env;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use fake_gpu::control::FunctionState;
use fake_gpu::profile::{BoardDesign, SerialNumber, Vendor};
use reseat_scenarios::accesses::{disturbances, now};
use reseat_scenarios::faults::{self, Case};
use reseat_scenarios::random::{Dice, Drawable, Drawn, Moment, Waits};
use reseat_scenarios::recovery::Recovery;
use reseat_scenarios::{Gpu, Place, Reach, Rules, Running, SETTLED, Scene, Stage};
use reseat_vm::files::GuestFile;

const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";
/// Of a board that a bridge may join to others, in a guest, which does not see all boards.
const NOTHING_IS_JOINED: &str = "[[recover.gpu]]\nselect = \"0000:09:00.0@1002:66a0\"\nfabric = \"none\"\n";

/// The boards; those with a serial number have a `true`. The last is not claimed, since a disk is on its device.
const BOARDS: [(Vendor, usize, bool, Place); 8] = [
    (Vendor::Nvidia, 1, true, Place::Alone),
    (Vendor::Nvidia, 2, true, Place::Alone),
    (Vendor::Nvidia, 4, false, Place::BehindSwitch),
    (Vendor::NvidiaT4, 1, true, Place::Alone),
    (Vendor::Amd, 2, false, Place::Alone),
    (Vendor::AmdVega20, 2, true, Place::Alone),
    (Vendor::Intel, 1, false, Place::Alone),
    (Vendor::Nvidia, 2, false, Place::BesideDisk),
];

const LAST_BOARD: u64 = 7;

/// The seed, how many cases, and the first of them: to play one again.
const SEED: &str = "RESEAT_CAMPAIGN_SEED";
const CASES: &str = "RESEAT_CAMPAIGN_CASES";
const FIRST: &str = "RESEAT_CAMPAIGN_FIRST";

/// The accesses of so many are searched in no time.
const CASES_A_BOOT: usize = 100;
/// No recovery may take longer.
const LIMIT: Duration = Duration::from_secs(110);

/// Five hundred cases, by default of a seed that nobody knows before.
pub(crate) fn five_hundred(stage: &Stage) -> Result<()> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?;
    play(stage, number(SEED, clock.as_secs())?, number(CASES, 500)?, Waits::Long)
}

/// A few of them, the same in every run, and without those that the kernel needs a minute for.
pub(crate) fn sixty(stage: &Stage) -> Result<()> {
    play(stage, number(SEED, 13)?, number(CASES, 60)?, Waits::Short)
}

fn number(variable: &str, default: u64) -> Result<u64> {
    match env::var(variable) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{variable} is `{text}`: no number")),
        Err(_) => Ok(default),
    }
}

/// What is to be played: these cases of a seed.
#[derive(Clone, Copy)]
struct Campaign {
    seed: u64,
    first: u64,
    cases: u64,
    waits: Waits,
}

/// Most of a case is waiting, so two machines share them: one has the even ones, one the odd ones.
const MACHINES: u64 = 2;

fn play(stage: &Stage, seed: u64, cases: u64, waits: Waits) -> Result<()> {
    let first = number(FIRST, 0)?;
    super::note(&format!(
        "{cases} cases from {first} on; {SEED}={seed} draws the same again"
    ));
    let campaign = Campaign {
        seed,
        first,
        cases,
        waits,
    };
    let begun = Instant::now();
    let shares = thread::scope(|scope| {
        let share = |machine| scope.spawn(move || play_share(stage, campaign, machine));
        let shares: Vec<_> = (0..MACHINES).map(share).collect();
        let joined = shares.into_iter().map(thread::ScopedJoinHandle::join);
        joined.collect::<Vec<_>>()
    });
    super::note(&format!("they took {:.0} s", begun.elapsed().as_secs_f64()));
    let mut wrong = Vec::new();
    for share in shares {
        wrong.extend(share.map_err(|_| anyhow!("a machine's share panicked"))??);
    }
    ensure!(
        wrong.is_empty(),
        "{} of {cases} cases of seed {seed} went wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

/// Plays one machine's share of the cases; returns what went wrong.
fn play_share(stage: &Stage, campaign: Campaign, machine: u64) -> Result<Vec<String>> {
    let share: Vec<u64> = (campaign.first..campaign.first.saturating_add(campaign.cases))
        .filter(|case| case % MACHINES == machine)
        .collect();
    let mut wrong = Vec::new();
    for cases in share.chunks(CASES_A_BOOT) {
        let running = boot(stage, &format!("campaign-random-{machine}"))?;
        for case in cases {
            let outcome = play_one(&running, campaign, *case, &mut wrong);
            outcome.with_context(|| format!("case {case} of seed {}", campaign.seed))?;
        }
    }
    Ok(wrong)
}

fn boot(stage: &Stage, name: &str) -> Result<Running> {
    let image = stage.image_with_modules(&["nvme"], Rules::File(RULES), [])?;
    let on_the_root = format!("{RULES}{NOTHING_IS_JOINED}");
    let scene = Scene::new(stage, name, image).on_the_root([GuestFile::new("etc/reseat/reseat.toml", on_the_root)]);
    let scene = (1..)
        .zip(BOARDS)
        .fold(scene, |scene, (number, (vendor, functions, has_number, place))| {
            let mut design = BoardDesign::new(vendor, functions);
            design.serial_number = has_number.then_some(SerialNumber(0x48b0_2d00_0000_0000 | number));
            scene.gpu_at(design, place)
        });
    let running = scene.boot()?;
    running.save_baselines()?;
    running.remember()?;
    Ok(running)
}

/// Plays a case; what went wrong with the program is noted, and only what went wrong with the machine is an error.
fn play_one(running: &Running, campaign: Campaign, case: u64, wrong: &mut Vec<String>) -> Result<()> {
    let mut dice = Dice::of_case(campaign.seed, case);
    let index = usize::try_from(dice.number(0..=LAST_BOARD))?;
    let gpu = running.gpu(index)?;
    let (vendor, functions, has_serial_number, place) = *BOARDS.get(index).context("no such board")?;
    let board = Drawable {
        functions: gpu.functions(),
        has_serial_number,
        is_exclusive: place != Place::BesideDisk,
        has_bad_five: matches!(vendor, Vendor::Nvidia | Vendor::NvidiaT4),
    };
    let drawn = Drawn::new(&mut dice, board, campaign.waits);
    let begin = now();
    let outcome = judged(running, gpu, &drawn, board).and_then(|()| check_bystanders(running, gpu, begin));
    if let Err(why) = outcome {
        let text = format!("case {case}, {vendor} with {functions} functions {place:?}, {drawn}\n  {why:#}");
        super::note(&text);
        wrong.push(text);
        return running.renew(gpu);
    }
    make_ready(running, gpu)
}

/// One that was brought back is ready for the next case, as the truth that was just looked at has it.
fn make_ready(running: &Running, gpu: &Gpu) -> Result<()> {
    if gpu.is_well()? && running.check_all_pinned(gpu).is_ok() {
        return gpu.end_faults();
    }
    running.renew(gpu)
}

fn judged(running: &Running, gpu: &Gpu, drawn: &Drawn, board: Drawable) -> Result<()> {
    running.shell("rm -f /var/lib/reseat/history.jsonl /var/lib/reseat/quarantine.json")?;
    let recovery = recover(running, gpu, drawn)?;
    ensure!(
        recovery.took < LIMIT,
        "it took {:?}: {}",
        recovery.took,
        recovery.told()
    );
    if recovery.says_recovered() {
        check_recovered(gpu, &recovery)
    } else {
        check_given_up(running, gpu, &recovery, board)
    }
}

/// Without power: it is a reset from above to QEMU's devices, and not to be told from one.
fn recover(running: &Running, gpu: &Gpu, drawn: &Drawn) -> Result<Recovery> {
    const ARGUMENTS: &str = "--highest detach-sbr";
    let Moment::Meanwhile { ms } = drawn.moment else {
        gpu.suffer_all(&drawn.faults)?;
        return running.begin_recovery(gpu, ARGUMENTS)?.wait();
    };
    let begun = running.begin_recovery(gpu, ARGUMENTS)?;
    thread::sleep(Duration::from_millis(ms));
    gpu.suffer_all(&drawn.faults)?;
    begun.wait()
}

/// What was called recovered is well, and stays so; and each function was reset as deep as is said.
fn check_recovered(gpu: &Gpu, recovery: &Recovery) -> Result<()> {
    recovery.check_truth()?;
    let resets = recovery.resets();
    thread::sleep(SETTLED);
    let later = gpu.truth()?;
    ensure!(
        later.iter().all(FunctionState::is_well),
        "a false \"recovered\": not well a second later: {later:?}"
    );
    ensure!(
        resets.iter().all(Option::is_some),
        "a false \"recovered\": of the functions, not all were reset: {resets:?}"
    );
    Ok(())
}

/// What was refused or given up cannot be brought back by a reset that its domain allows. What is well and not proven has a
/// function that was not reset.
fn check_given_up(running: &Running, gpu: &Gpu, recovery: &Recovery, board: Drawable) -> Result<()> {
    ensure!((3..=6).contains(&recovery.status), "status {}", recovery.status);
    let is_unproven = recovery.end().is_some_and(|end| end["kind"] == "unproven");
    if is_unproven && recovery.is_well() && recovery.resets().contains(&None) {
        return Ok(());
    }
    let reach = match board.is_exclusive {
        true => Reach::Domain,
        false => Reach::Function,
    };
    match running.bring_back_by_hand(gpu, reach)? {
        None => Ok(()),
        Some(by) => bail!(
            "given up, and {by} by hand brings it back; {}\n{}",
            recovery.outline(),
            recovery.told()
        ),
    }
}

fn check_bystanders(running: &Running, gpu: &Gpu, begin: Duration) -> Result<()> {
    for other in running.gpus.iter().filter(|other| other.device != gpu.device) {
        let seen = disturbances(&other.fake, begin, now())?;
        ensure!(seen.is_empty(), "{} was disturbed: {seen:?}", other.device);
    }
    Ok(())
}

/// Resets that do not do what the machine believes, one after the other, on boards with a serial number.
pub(crate) fn unfaithful_resets(stage: &Stage) -> Result<()> {
    let running = boot(stage, "unfaithful-resets")?;
    for board in [1, 2] {
        running.check_by_hand(running.gpu(board)?, Reach::Domain)?;
        running.renew(running.gpu(board)?)?;
    }
    let mut wrong = Vec::new();
    for case in &faults::UNFAITHFUL {
        if let Err(why) = unfaithful(&running, case) {
            wrong.push(format!("{}: {why:#}", case.name));
        }
        running.renew(running.gpu(UNFAITHFUL_BOARD)?)?;
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Two functions, a serial number, and alone.
const UNFAITHFUL_BOARD: usize = 1;

fn unfaithful(running: &Running, case: &Case) -> Result<()> {
    let gpu = running.gpu(UNFAITHFUL_BOARD)?;
    let drawn = Drawn {
        faults: case.faults.to_vec(),
        moment: Moment::Before,
    };
    let board = Drawable {
        functions: gpu.functions(),
        has_serial_number: true,
        is_exclusive: true,
        has_bad_five: true,
    };
    judged(running, gpu, &drawn, board)
}
