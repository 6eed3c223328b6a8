//! The machine that the stories share in which GPUs go out of service, leave the machine and come back: identical ones that say
//! who they are, and one that nobody claims. Their drivers are loaded: whatever is in reach, they get.

use anyhow::Result;
use fake_gpu::profile::{BoardDesign, SerialNumber, VbiosVersion, Vendor};
use reseat_scenarios::{Rules, Running, Scene, Shared, Stage};

/// As [`SERIALS`] are written.
const NUMBERS: [u64; 3] = [0x48b0_2d00_0000_0001, 0x48b0_2d00_0000_0002, 0x48b0_2d00_0000_0003];
pub(crate) const SERIALS: [&str; 3] = [
    "48-b0-2d-00-00-00-00-01",
    "48-b0-2d-00-00-00-00-02",
    "48-b0-2d-00-00-00-00-03",
];
/// As [`VERSIONS`] are written.
const VBIOS: [[u8; 5]; 2] = [[0x94, 0x02, 0x5c, 0x00, 0x08], [0x94, 0x02, 0x71, 0x00, 0x0a]];
/// That of the first and the third, and that of the second.
pub(crate) const VERSIONS: [&str; 2] = ["94.02.5c.00.08", "94.02.71.00.0a"];

/// The one that nobody claims.
pub(crate) const FREE: usize = 3;

/// The first is the machine's display.
pub(crate) const SHARED: Shared<Stage, Running> = Shared {
    boot,
    heal: Running::heal,
};

/// One of several of the same model.
pub(crate) fn board(index: usize) -> BoardDesign {
    BoardDesign {
        serial_number: NUMBERS.get(index).copied().map(SerialNumber),
        vbios: VBIOS.get(index % VBIOS.len()).copied().map(VbiosVersion),
        ..plain()
    }
}

/// One of that model that does not say who it is.
pub(crate) fn plain() -> BoardDesign {
    BoardDesign::new(Vendor::Nvidia, 2)
}

fn boot(stage: &Stage) -> Result<Running> {
    let running = Scene::new(stage, "service", stage.image(Rules::None, [])?)
        .gpu(board(0))
        .gpu(board(1))
        .gpu(board(2))
        .gpu(plain())
        .on_the_root(stage.udev()?)
        // On the command line, where the rules are on the real root as well.
        .append("reseat.claim=gpu reseat.not=0000:04:00.0")
        .boot()?;
    running.check_claimed(&running.gpu(0)?.function(0))?;
    running.remember()?;
    Ok(running)
}
