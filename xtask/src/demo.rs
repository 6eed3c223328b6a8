//! `cargo xtask demo`: two identical GPUs on a stock Debian kernel, without and with the claim.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fake_gpu::log::{Direction, Region};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::accesses::accesses;
use reseat_scenarios::{Rules, Running, Scene};

use crate::build::{self, Programs};

const RULES: &str = "[[claim]]\nselect = \"0000:01:00.0@10de:2489\"\n";

pub(crate) fn run() -> Result<()> {
    let begin = Instant::now();
    let say = |what: &str| println!("[{:5.1} s] {what}", begin.elapsed().as_secs_f64());
    say("getting QEMU, a Debian kernel and initramfs-tools, and building reseat");
    let stage = build::stage(Programs::Plain)?;

    say("building the initramfs with Debian's initramfs-tools; its rules file:");
    print!("{}", indented(RULES));
    let image = stage.image(Rules::File(RULES), [])?;

    let scene = |name, append| {
        Scene::new(&stage, name, image.clone())
            .gpu(BoardDesign::new(Vendor::Nvidia, 2))
            .gpu(BoardDesign::new(Vendor::Nvidia, 2))
            .append(append)
    };
    say("booting two identical GPUs, with reseat=off");
    let before = scene("demo-before", "reseat=off").boot()?;
    show("before", &before)?;
    drop(before);

    say("booting them again, with the claim");
    let after = scene("demo-after", "").boot()?;
    show("after", &after)?;

    println!("what the kernel log says:");
    for line in after.claim_lines() {
        println!("  {}", line.text);
    }
    let report = after.report()?;
    ensure!(
        report["verdict"] == "claimed",
        "the demo did not work: the claim's verdict is {}",
        report["verdict"]
    );
    let milliseconds = |value: &serde_json::Value| value.as_f64().context("the report has no duration");
    let whole = milliseconds(&report["duration_ms"])?;
    let modprobe = milliseconds(&report["vfio_pci"]["duration_ms"])?;
    println!(
        "\nthe claim took {whole:.1} ms of the boot, {modprobe:.1} ms of that to load vfio-pci (emulated processor)"
    );
    say("done");
    Ok(())
}

fn show(when: &str, running: &Running) -> Result<()> {
    println!("\n{when}:");
    print!("{}", indented(&running.shell("reseat inventory")?));
    for (gpu, bus) in running.gpus.iter().zip(1..) {
        let reads = accesses(&gpu.fake, Region::Bar(0))?.into_iter();
        let reads: Vec<Duration> = reads
            .filter(|(_, _, access)| access.direction == Direction::Read)
            .map(|(_, at, _)| at)
            .collect();
        println!("  0000:{bus:02x}:00: drivers read its registers {} times", reads.len());
        // nouveau gives a fake up in the end, so that the table does not show it.
        if let Ok(line) = running.line(&format!("nouveau 0000:{bus:02x}:00.0: ")) {
            println!("    {}", line.text);
        }
    }
    println!();
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
