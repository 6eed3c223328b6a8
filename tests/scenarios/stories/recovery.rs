//! The machine that the stories about recoveries share: GPUs of every shape in every place, all claimed at boot but one.

use anyhow::Result;
use fake_gpu::profile::{BoardDesign, Vendor};
use reseat_scenarios::{Place, Rules, Running, Scene, Shared, Stage};

const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";

/// The boards, each with the place where it stands. The last is not claimed, since a disk is on its device.
pub(crate) const BOARDS: [(Vendor, usize, Place); 6] = [
    (Vendor::Nvidia, 2, Place::Alone),
    (Vendor::Nvidia, 4, Place::Alone),
    (Vendor::Nvidia, 1, Place::Alone),
    (Vendor::Amd, 2, Place::Alone),
    (Vendor::Nvidia, 2, Place::BehindSwitch),
    (Vendor::Nvidia, 2, Place::BesideDisk),
];

/// Those that only see to it that nothing happens to them, where a story has no other use for them.
pub(crate) const BYSTANDER: usize = 3;
pub(crate) const BEHIND_SWITCH: usize = 4;
pub(crate) const BESIDE_DISK: usize = 5;

pub(crate) const SHARED: Shared<Stage, Running> = Shared {
    boot: |stage| boot(stage, "recovery"),
    heal: Running::heal,
};

/// Boots the machine and records what its GPUs are like.
pub(crate) fn boot(stage: &Stage, name: &str) -> Result<Running> {
    let image = stage.image_with_modules(&["nvme"], Rules::File(RULES), [])?;
    let scene = Scene::new(stage, name, image).traced();
    let scene = BOARDS.iter().fold(scene, |scene, (vendor, functions, place)| {
        scene.gpu_at(BoardDesign::new(*vendor, *functions), *place)
    });
    let running = scene.boot()?;
    for gpu in running.gpus.iter().take(BESIDE_DISK) {
        for function in 0..gpu.functions() {
            running.check_claimed(&gpu.function(function))?;
        }
    }
    running.save_baselines()?;
    running.remember()?;
    Ok(running)
}
