//! The stories, each on a real kernel. Without the stage they are shown as ignored, and fail if they are run all the
//! same; under `cargo xtask test` and in CI (`RESEAT_REQUIRE_STAGE` or `CI` set) they fail in any case.

mod asleep;
mod bad_rules;
mod campaign;
mod config_reads;
mod dracut;
mod dry_run;
mod evidence;
mod four_functions;
mod guard;
mod hangs;
mod hot;
mod install;
mod mkinitcpio;
mod no_iommu;
mod off;
mod only_display;
mod quarantine;
mod recover;
mod recovery_bed;
mod rivals;
mod rollback;
mod selectors;
mod twins;
mod variants;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use reseat_scenarios::Stage;

type Story = fn(&Stage) -> anyhow::Result<()>;

macro_rules! stories {
    ($($file:ident::$story:ident),* $(,)?) => {
        &[$((concat!(stringify!($file), "::", stringify!($story)), $file::$story)),*]
    };
}

const STORIES: &[(&str, Story)] = stories![
    twins::one_is_claimed_and_nouveau_has_the_other,
    twins::without_reseat_nouveau_has_both,
    four_functions::all_are_claimed,
    four_functions::amd_with_audio,
    guard::a_mismatch_refuses,
    rollback::one_function_that_cannot_bind,
    selectors::five_identical_gpus,
    no_iommu::the_firmware_setting_is_named,
    no_iommu::the_parameter_that_turns_it_off_is_named,
    off::nothing_is_touched,
    only_display::is_refused_unless_forced,
    only_display::of_uefi_is_refused_unless_forced,
    only_display::on_simpledrm_is_refused_unless_forced,
    dracut::without_systemd,
    dracut::with_systemd,
    dracut::the_switch_leaves_it_to_the_rival,
    mkinitcpio::scripts_under_stand_ins,
    mkinitcpio::scripts_under_stand_ins_disabled,
    dry_run::says_and_does_not,
    bad_rules::file_and_selector_are_named,
    config_reads::a_claim_reads_at_most_thirty_registers_a_function,
    recovery_bed::the_kernel_calls_a_gpu_well_that_is_not,
    recovery_bed::a_disk_feels_a_reset_that_hits_it_and_no_other,
    recovery_bed::a_slot_gives_a_card_its_power_back,
    install::by_initramfs_tools_and_back,
    install::by_dracut_and_back,
    install::what_goes_wrong_changes_nothing,
    asleep::woken_by_the_kernel_under_lockdown,
    rivals::none_is_faster_than_the_claim,
    rivals::without_reseat_they_have_all,
    rivals::on_6_12_xe_is_not_faster_either,
    rivals::on_6_12_without_reseat_they_have_all,
    hot::back_from_a_power_cycle_on_6_1,
    hot::back_from_a_power_cycle_on_the_newest,
    hangs::a_modprobe_that_never_returns,
    hangs::an_unbind_that_never_returns,
    hangs::a_reset_that_does_not_end,
    recover::table_on_6_1,
    recover::table_on_6_12,
    recover::a_disk_with_its_io_running_is_spared,
    recover::only_power_helps,
    recover::lockdown_leaves_it_unverified,
    recover::what_somebody_holds_is_refused,
    recover::killed_at_any_point_it_is_resumed,
    campaign::all_on_6_1,
    campaign::a_third_on_6_12,
    quarantine::by_the_operator_and_back,
    quarantine::what_stays_sick_does_not_come_back,
    quarantine::the_next_boot_isolates_it,
    quarantine::a_damaged_list_counts_for_all,
    evidence::of_a_gpu_off_the_bus,
    variants::claimed_and_recovered,
    variants::brought_by_dracut,
    variants::brought_by_scripts_under_stand_ins,
    variants::one_that_cannot_be_loaded,
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two cores: more machines at once only wait for each other.
    arguments.test_threads.get_or_insert(2);
    let trials: Vec<Trial> = match Stage::open() {
        Ok(stage) => {
            let stage = Arc::new(stage);
            let trial = |(name, story): &(&str, Story)| {
                let (stage, story) = (Arc::clone(&stage), *story);
                Trial::test(*name, move || {
                    story(&stage).map_err(|error| format!("{error:#}").into())
                })
            };
            STORIES.iter().map(trial).collect()
        }
        Err(why) => {
            let why = format!("the stories are not played: {why}");
            note(&why);
            let ignored = !Stage::is_required();
            let trial = |(name, _): &(&str, Story)| {
                let why = why.clone();
                Trial::test(*name, move || Err(why.into())).with_ignored_flag(ignored)
            };
            STORIES.iter().map(trial).collect()
        }
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[allow(clippy::print_stderr, reason = "a test's own words")]
fn note(text: &str) {
    eprintln!("{text}");
}
