//! A rules file that is none, beside a command line with a good and a bad selector.

use anyhow::{Result, ensure};
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Rules, Scene, Stage};

/// The selector lacks its quotes.
const RULES: &str = "# the second GPU\n[[claim]]\nselect = 0000:01:00.0\n";

/// So many claims that nobody understands, each with a line of its own.
const MORE: usize = 25;

pub(crate) fn file_and_selector_are_named(stage: &Stage) -> Result<()> {
    let image = stage.image(Rules::File(RULES), [])?;
    let running = Scene::new(stage, "bad-rules", image)
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .gpu(BoardDesign::new(Vendor::Nvidia, 2))
        .append("reseat.claim=everything,0000:02:00.0 reseat.clam=gpu")
        .append(&(1..=MORE).map(|n| format!("reseat.c{n}=1 ")).collect::<String>())
        .boot()?;
    running.line("reseat: /etc/reseat/reseat.toml:3: ")?;
    running.line("reseat: rule `everything` (kernel command line): not a selector")?;
    running.line("reseat: unknown kernel parameter `reseat.clam=gpu`")?;
    // More than the kernel takes through one open /dev/kmsg: by its default it drops what comes faster than 10 lines in 5 s.
    for parameter in 1..=MORE {
        running.line(&format!("reseat: unknown kernel parameter `reseat.c{parameter}=1`"))?;
    }
    let report = running.report()?;
    ensure!(report["verdict"] == "incomplete", "{report:#}");

    // Nothing of the broken file counts; what was said clearly elsewhere does.
    let first = running.drivers("0000:01:00")?;
    ensure!(first.values().all(|driver| driver != "vfio-pci"), "{first:?}");
    running.check_claimed("0000:02:00.0")?;
    running.check_claimed("0000:02:00.1")?;
    Ok(())
}
