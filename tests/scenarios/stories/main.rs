//! The stories, each on a real kernel. Without the stage they are shown as ignored, and fail if they are run all the
//! same; under `cargo xtask test` and in CI (`RESEAT_REQUIRE_STAGE` or `CI` set) they fail in any case. Those on aarch64 are
//! ignored where only their part of the stage is missing, but in CI.

mod amd_switch;
mod asleep;
mod bad_rules;
mod campaign;
mod config_reads;
mod crash_kernel;
mod dracut;
mod dry_run;
mod evidence;
mod four_functions;
mod group_peers;
mod guard;
mod hangs;
mod hot;
mod identity;
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
mod sr_iov;
mod twins;
mod variants;
mod virt;

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
    group_peers::claimed_only_where_a_rule_says_so,
    amd_switch::claimed_and_recovered_as_one_card,
    sr_iov::none_is_claimed_and_none_is_lost,
    no_iommu::the_firmware_setting_is_named,
    no_iommu::the_parameter_that_turns_it_off_is_named,
    off::nothing_is_touched,
    only_display::is_refused_unless_forced,
    only_display::of_uefi_is_refused_unless_forced,
    only_display::on_simpledrm_is_refused_unless_forced,
    only_display::of_a_3d_controller_is_refused_unless_forced,
    only_display::in_text_mode_is_refused_though_the_console_is_busy,
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
    install::cut_off_and_then_updated,
    asleep::woken_by_the_kernel_under_lockdown,
    rivals::none_is_faster_than_the_claim,
    rivals::without_reseat_they_have_all,
    rivals::on_6_12_xe_is_not_faster_either,
    rivals::on_6_12_without_reseat_they_have_all,
    hot::back_from_a_power_cycle_on_6_1,
    hot::back_from_a_power_cycle_on_the_newest,
    crash_kernel::claims_nothing,
    hangs::a_modprobe_that_never_returns,
    hangs::an_unbind_that_never_returns,
    hangs::a_second_hang_when_the_time_is_over,
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
    identity::known_again_in_another_slot,
    identity::flr_is_known_by_vbios,
    variants::claimed_and_recovered,
    variants::brought_by_dracut,
    variants::brought_by_scripts_under_stand_ins,
    variants::one_that_cannot_be_loaded,
];

/// Those that need more than the others, and are ignored without it; in CI they too have to be played.
const ON_AARCH64: &[(&str, Story)] = stories![
    virt::one_is_claimed_and_nouveau_has_the_other,
    virt::without_an_smmu_it_is_refused,
    virt::what_the_smmu_does_not_cover_is_given_back,
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two cores: more machines at once only wait for each other.
    arguments.test_threads.get_or_insert(2);
    let stage = Stage::open().map(Arc::new).map_err(|why| why.to_string());
    let on_aarch64 = stage.clone().and_then(|stage| match stage.aarch64() {
        Ok(_) => Ok(stage),
        Err(why) => Err(why.to_string()),
    });
    let mut trials = trials(STORIES, &stage, Stage::is_required());
    trials.extend(self::trials(ON_AARCH64, &on_aarch64, Stage::is_aarch64_required()));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The stories, or why they are not played.
fn trials(stories: &[(&'static str, Story)], stage: &Result<Arc<Stage>, String>, required: bool) -> Vec<Trial> {
    if let Err(why) = stage {
        note(&format!("{} stories are not played: {why}", stories.len()));
    }
    let trial = |(name, story): &(&'static str, Story)| {
        let (stage, story) = (stage.clone(), *story);
        let ignored = stage.is_err() && !required;
        let play = move || {
            let played = stage.map(|stage| story(&stage));
            played?.map_err(|error| format!("{error:#}").into())
        };
        Trial::test(*name, play).with_ignored_flag(ignored)
    };
    stories.iter().map(trial).collect()
}

#[allow(clippy::print_stderr, reason = "a test's own words")]
fn note(text: &str) {
    eprintln!("{text}");
}
