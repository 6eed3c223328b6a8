//! `cargo xtask bench`: ratios in one run, beside the peer, with their conditions.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use reseat_scenarios::boot_cost::{self, BootCost, Clock};
use reseat_scenarios::cost::{self, Cost, FUNCTIONS, Found};
use reseat_scenarios::recovery::Recovery;
use reseat_scenarios::recovery_cost::{self, KernelPath};
use reseat_vm::artifacts::Part;

use crate::build::{self, Programs};
use crate::run::{cargo, must, target, top};
use crate::{KERNELS, test};

/// reseat-core beside its peers, on the collection of real configuration spaces, or else on the project's own fixtures.
pub(crate) fn core() -> Result<()> {
    let own = || top().join("core/tests/fixtures");
    let corpus = env::var_os(test::DUMPS).map_or_else(own, PathBuf::from);
    let mut bench = cargo(&[
        "run",
        "--release",
        "--manifest-path",
        "tests/peers/Cargo.toml",
        "--target-dir",
    ]);
    must(
        bench
            .arg(target()?.join("peers"))
            .arg("--")
            .arg(std::path::absolute(corpus)?),
    )
}

/// The claim beside the bare writes.
pub(crate) fn claim() -> Result<()> {
    let stage = build::stage(Programs::Shipped)?;
    let mut costs = Vec::new();
    let mut kernel = String::new();
    for found in [Found::Awake, Found::AsLeft] {
        let (claim, running) = cost::of_the_claim(&stage, found)?;
        kernel = running.shell("uname -r")?;
        // One machine at a time: two would share the processor.
        drop(running);
        let (bare, _running) = cost::of_the_bare_writes(&stage, found)?;
        costs.extend([claim, bare]);
    }

    println!(
        "one boot each; kernel {}, QEMU with TCG and 1 processor, one GPU with {FUNCTIONS} functions",
        kernel.trim()
    );
    println!(
        "bare writes: modprobe, driver_override, d3cold_allowed, bind, power/control by a shell; nothing is read back"
    );
    println!("awake: all functions were awake before; as left: the kernel lets all but the first sleep\n");
    table(&costs);
    println!("\nregisters: 32-bit reads of configuration space, the kernel's own among them");
    Ok(())
}

/// The claim of many GPUs, beside the floor and a script.
pub(crate) fn boot() -> Result<()> {
    let stage = build::stage(Programs::Shipped)?;
    println!(
        "in the initramfs, one after the other in one boot; QEMU with TCG and 1 processor, {} GPUs with {} functions each",
        boot_cost::GPUS,
        boot_cost::FUNCTIONS
    );
    println!(
        "floor: modprobe and the bare writes, by a shell that starts no other program; nothing is looked for or checked"
    );
    println!(
        "script: as users write it, for busybox: finds the GPUs by class, looks at the driver and the power state"
    );
    println!("own share: what is beyond the floor; median of {ROUNDS} rounds (least to most)");
    for (clock, words) in [
        (
            Clock::Instructions,
            "instructions, 4 ns each; what the devices take to answer is not in it",
        ),
        (Clock::Host, "the host's; whatever else runs there disturbs it"),
    ] {
        let cost = boot_cost::measure(&stage, clock, ROUNDS)?;
        println!("\nkernel {}; clock: {words}", cost.kernel);
        boot_table(&cost);
    }
    println!("\ndriverctl is not beside it: it is a bash script that asks udevadm, and an initramfs has neither");
    Ok(())
}

const ROUNDS: u32 = 9;

fn boot_table(cost: &BootCost) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let floor = median(&cost.floor);
    let own = |times| milliseconds(median(times).saturating_sub(floor));
    let beside = |times| median(times).as_secs_f64() / floor.as_secs_f64();
    let rows = [
        ("floor", &cost.floor),
        ("reseat-claim", &cost.claim),
        ("script", &cost.script),
    ];
    for (who, times) in rows {
        let ends = [times.iter().min(), times.iter().max()].map(|end| end.copied().map_or(0.0, milliseconds));
        println!(
            "{who:14} {:>7.1} ms ({:.1} to {:.1}), {:.2} x the floor, own share {:.1} ms",
            milliseconds(median(times)),
            ends[0],
            ends[1],
            beside(times),
            own(times)
        );
    }
    println!("reseat-claim : floor = {:.2} (goal: at most 1.2)", beside(&cost.claim));
    println!(
        "own share, reseat-claim : script = 1 : {:.1} (goal: at least 5)",
        own(&cost.script) / own(&cost.claim)
    );
    println!(
        "of reseat-claim's time, loading vfio-pci: {:.1} ms",
        milliseconds(cost.loading)
    );
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// `reseat recover` beside the kernel's own reset.
pub(crate) fn recover() -> Result<()> {
    let stage = build::stage_with(&KERNELS.map(Part::Kernel), Programs::Plain)?;
    println!("QEMU with TCG and 1 processor; 8 GPUs a boot, each of them broken once; times by the guest's clock");
    println!(
        "kernel: echo 1 > reset of function 0, all at once; ours: reseat recover, one by one, verification included;"
    );
    println!("again: the same fault once more, with what the history says of FLR in the class");
    for kernel in KERNELS {
        for functions in [1, 2] {
            let rows = recovery_cost::compare(&stage.with_kernel(kernel), functions)?;
            println!("\nkernel {}, GPU with {functions} functions", kernel.name());
            println!("{:28} {:>26} {:>36} {:>36}", "fault", "kernel", "ours", "again");
            for row in rows {
                let kernel = kernel_in_words(&row.kernel);
                let (ours, again) = (ours_in_words(&row.ours), ours_in_words(&row.again));
                println!("{:28} {kernel:>26} {ours:>36} {again:>36}", row.case.name);
            }
        }
    }
    Ok(())
}

fn kernel_in_words(path: &KernelPath) -> String {
    let said = match (path.status, path.gpu_well) {
        (0, true) => "success",
        (0, false) => "FALSE SUCCESS",
        (_, true) => "failure, well",
        (_, false) => "failure",
    };
    format!("{:.1} s, {said}", path.took.as_secs_f64())
}

fn ours_in_words(recovery: &Recovery) -> String {
    let end = match (recovery.by(), recovery.is_well()) {
        (Some(by), true) => format!("recovered by {by}"),
        (Some(_), false) => "FALSE SUCCESS".to_owned(),
        (None, _) => format!("not recovered, {}", recovery.status),
    };
    format!("{:.1} s, {end}", recovery.took.as_secs_f64())
}

fn table(costs: &[Cost]) {
    let columns = ["reseat-claim", "bare writes", "reseat-claim", "bare writes"];
    let row = |what: &str, cells: &[String]| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>13}")).collect();
        println!("{what:32}{cells}");
    };
    let of_each = |what: &str, cell: &dyn Fn(&Cost) -> String| {
        row(what, &costs.iter().map(cell).collect::<Vec<_>>());
    };
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    row("", &["awake", "awake", "as left", "as left"].map(str::to_owned));
    row("", &columns.map(str::to_owned));
    of_each("in all", &|cost| milliseconds(cost.time));
    of_each("of that, loading vfio-pci", &|cost| milliseconds(cost.loading));
    of_each("without loading", &|cost| {
        milliseconds(cost.time.saturating_sub(cost.loading))
    });
    for function in 0..usize::from(FUNCTIONS) {
        of_each(&format!("registers read, function {function}"), &|cost| {
            let reads = cost.config_reads.get(function);
            reads.map_or_else(|| "-".to_owned(), ToString::to_string)
        });
    }
    let ratio = |pair: &[Cost]| match pair {
        [claim, bare] => format!("{:.2}", claim.time.as_secs_f64() / bare.time.as_secs_f64()),
        _ => String::new(),
    };
    let ratios: Vec<String> = costs.chunks(2).map(ratio).collect();
    println!(
        "\nin all, reseat-claim : bare writes = {}",
        ratios.join(" awake, ") + " as left"
    );
}
