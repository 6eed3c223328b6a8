//! `cargo xtask bench`: ratios in one run, beside the peer, with their conditions.

use std::time::Duration;

use anyhow::Result;
use reseat_scenarios::cost::{self, Cost, FUNCTIONS};

use crate::build;

/// The claim beside the bare writes.
pub(crate) fn claim() -> Result<()> {
    let stage = build::stage()?;
    let (claim, running) = cost::of_the_claim(&stage)?;
    let kernel = running.shell("uname -r")?;
    drop(running);
    let (bare, _running) = cost::of_the_bare_writes(&stage)?;

    println!(
        "one boot each; kernel {}, QEMU with TCG and 1 processor, one GPU with {FUNCTIONS} functions",
        kernel.trim()
    );
    println!(
        "bare writes: modprobe, driver_override, d3cold_allowed, bind, power/control by a shell; nothing is read back\n"
    );
    println!("{:32} {:>12} {:>12}", "", "reseat-claim", "bare writes");
    let row = |what: &str, cell: &dyn Fn(&Cost) -> String| {
        println!("{what:32} {:>12} {:>12}", cell(&claim), cell(&bare));
    };
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    row("in all", &|cost| milliseconds(cost.time));
    row("of that, loading vfio-pci", &|cost| milliseconds(cost.loading));
    row("without loading", &|cost| {
        milliseconds(cost.time.saturating_sub(cost.loading))
    });
    for function in 0..usize::from(FUNCTIONS) {
        row(&format!("registers read, function {function}"), &|cost| {
            cost.config_reads
                .get(function)
                .map_or_else(|| "-".to_owned(), ToString::to_string)
        });
    }
    println!(
        "\nin all, reseat-claim : bare writes = {:.2}",
        claim.time.as_secs_f64() / bare.time.as_secs_f64()
    );
    println!("registers: 32-bit reads of configuration space, the kernel's own among them");
    Ok(())
}
