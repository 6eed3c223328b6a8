//! The stories, each on a real kernel. Without the stage they are shown as ignored, and fail if they are run all the
//! same; under `cargo xtask test` and in CI (`RESEAT_REQUIRE_STAGE` or `CI` set) they fail in any case. Those that need a
//! compiler which not every machine has are ignored where only that is missing, but in CI.
//!
//! A boot takes longer than most stories. So a new story goes onto a machine that others have already, if it can: `recovery`
//! for faults and resets, `service` for GPUs that leave and come back, `next_boot` for what a boot finds, `by_hand` for claims
//! that differ in their rules, `boot_claim` for drivers that are faster, `matrix` for what depends on the kernel. After each
//! story the machine is healed, and after one that fails the next story gets another machine: no story may build on the one
//! before it.

mod amd_switch;
mod boot_claim;
mod by_hand;
mod campaign;
mod crash_kernel;
mod device_specific;
mod dracut;
mod evidence;
mod flr_kept_out;
mod group_peers;
mod hangs;
mod harness;
mod hot;
mod identity;
mod install;
mod lockdown;
mod matrix;
mod mkinitcpio;
mod next_boot;
mod no_iommu;
mod only_display;
mod quarantine;
mod random;
mod recover;
mod recovery;
mod recovery_bed;
mod selectors;
mod service;
mod shipped;
mod sr_iov;
mod variants;
mod virt;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::Arguments;
use reseat_scenarios::{Extent, Need, Stage, Story};
use reseat_vm::artifacts::{Kernel, Part};

use harness::{Chapter, Choice, alone, together};

/// Stories by file and function, each with its extent.
macro_rules! stories {
    ($($extent:ident $file:ident::$story:ident),* $(,)?) => {
        &[$(Story {
            name: concat!(stringify!($file), "::", stringify!($story)),
            extent: Extent::$extent,
            play: $file::$story,
        }),*]
    };
}

const TRIXIE: Need = Need::Part(Part::Kernel(Kernel::Trixie));
const NEWEST: Need = Need::Part(Part::Kernel(Kernel::TrixieBackports));
const ARM64: Need = Need::Part(Part::Kernel(Kernel::TrixieArm64));
const DRACUT: Need = Need::Part(Part::Dracut);
const UEFI: Need = Need::Part(Part::Uefi);
const MODULES: Need = Need::Part(Part::Modules);
const CRASH_TOOLS: Need = Need::Part(Part::CrashTools);

/// All stories; the longest come first, so that none of them is alone at the end.
static PROGRAMME: &[Chapter] = &[
    together(
        &[],
        recovery::SHARED,
        stories![
            Quick recover::table,
            All recover::an_flr_that_kills_is_remembered,
            All recover::a_disk_with_its_io_running_is_spared,
            All recover::only_power_helps,
            All recover::what_somebody_holds_is_refused,
            All recover::killed_it_is_resumed,
            Quick recover::what_the_kernel_lost_is_found,
            All recover::a_signal_leaves_nothing_removed,
            All recovery_bed::the_kernel_calls_a_gpu_well_that_is_not,
            All recovery_bed::a_disk_feels_a_reset_that_hits_it_and_no_other,
            All recovery_bed::a_slot_gives_a_card_its_power_back,
            Quick evidence::of_a_gpu_off_the_bus,
            All campaign::smoke,
        ],
    ),
    together(
        &[],
        service::SHARED,
        stories![
            // The first needs a GPU that no story has touched yet: the machine's display, as firmware has left it.
            All identity::known_by_what_it_said_before,
            Quick identity::flr_is_known_by_vbios,
            Quick quarantine::by_the_operator_and_back,
            All quarantine::what_stays_sick_does_not_come_back,
            All quarantine::it_returns_to_the_driver_that_it_had,
            Quick hot::back_from_a_power_cycle,
        ],
    ),
    together(
        &[],
        boot_claim::CLAIMED,
        stories![
            Quick boot_claim::one_of_twins_is_claimed_and_nouveau_has_the_other,
            Quick boot_claim::all_functions_are_claimed,
            Quick boot_claim::amd_with_audio_is_claimed,
            Quick boot_claim::a_mismatch_refuses,
            Quick boot_claim::no_rival_is_faster,
        ],
    ),
    together(
        &[],
        boot_claim::UNCLAIMED,
        stories![
            All boot_claim::without_it_nouveau_has_both_twins,
            All boot_claim::without_it_the_rivals_have_all,
        ],
    ),
    together(
        &[],
        by_hand::SHARED,
        stories![
            Quick by_hand::off_touches_nothing,
            Quick by_hand::a_dry_run_says_and_does_not,
            Quick by_hand::a_mismatch_loads_nothing,
            Quick by_hand::bad_rules_are_named,
            Quick by_hand::one_that_cannot_bind_is_rolled_back,
            Quick by_hand::a_damaged_ledger_counts_for_all,
            Quick by_hand::a_claim_reads_at_most_thirty_registers_a_function,
            All by_hand::a_slow_gpu_goes_last,
        ],
    ),
    together(
        &[],
        next_boot::SHARED,
        stories![
            All next_boot::it_is_isolated,
            All next_boot::it_is_known_again_in_another_slot,
        ],
    ),
    together(
        &[TRIXIE],
        matrix::TRIXIE,
        stories![
            All matrix::on_6_12_claimed_before_nouveau_and_xe,
            All matrix::on_6_12_without_the_claim_they_have_both,
            All matrix::on_6_12_recovered,
            All matrix::on_6_12_back_from_a_power_cycle,
        ],
    ),
    together(
        &[NEWEST],
        matrix::NEWEST,
        stories![
            All matrix::on_the_newest_claimed_before_nouveau,
            All matrix::on_the_newest_recovered,
            All matrix::on_the_newest_back_from_a_power_cycle,
        ],
    ),
    together(
        &[],
        lockdown::SHARED,
        stories![
            All lockdown::asleep_it_is_claimed,
            All lockdown::what_cannot_be_read_is_unverified,
        ],
    ),
    alone(
        &[TRIXIE],
        stories![
            Campaign recover::all_on_6_12,
            Campaign campaign::a_third_on_6_12,
        ],
    ),
    alone(
        &[],
        stories![
            Campaign random::five_hundred,
            Campaign campaign::all_on_6_1,
            Campaign recover::killed_at_any_point_it_is_resumed,
        ],
    ),
    alone(
        &[],
        stories![
            All flr_kept_out::a_vfio_user_opens_it_and_it_lives,
            All random::sixty,
            All random::unfaithful_resets,
            Quick selectors::five_identical_gpus,
            Quick group_peers::claimed_only_where_a_rule_says_so,
            All amd_switch::claimed_and_recovered_as_one_card,
            All sr_iov::none_is_claimed_and_none_is_lost,
            Quick no_iommu::the_firmware_setting_is_named,
            All no_iommu::the_parameter_that_turns_it_off_is_named,
            All only_display::is_refused_unless_forced,
            All mkinitcpio::scripts_under_stand_ins,
            All mkinitcpio::scripts_under_stand_ins_disabled,
            Quick install::by_initramfs_tools_and_back,
            All install::what_goes_wrong_changes_nothing,
            All install::cut_off_and_then_updated,
            Quick hangs::a_modprobe_that_never_returns,
            All hangs::an_unbind_that_never_returns,
            All hangs::a_second_hang_when_the_time_is_over,
            All hangs::a_reset_that_does_not_end,
        ],
    ),
    alone(
        &[UEFI],
        stories![
            All only_display::of_uefi_is_refused_unless_forced,
        ],
    ),
    alone(
        &[TRIXIE, MODULES, UEFI],
        stories![
            All only_display::on_simpledrm_is_refused_unless_forced,
        ],
    ),
    alone(
        &[TRIXIE, MODULES],
        stories![
            All only_display::of_a_3d_controller_is_refused_unless_forced,
            All only_display::in_text_mode_is_refused_though_the_console_is_busy,
            All device_specific::the_kernel_offers_it_and_does_it,
            All device_specific::a_recovery_uses_it_and_believes_marks_only,
            All variants::claimed_and_recovered,
            All variants::brought_by_scripts_under_stand_ins,
            All variants::one_that_cannot_be_loaded,
        ],
    ),
    alone(
        &[DRACUT],
        stories![
            All dracut::without_systemd,
            All dracut::with_systemd,
            All dracut::the_switch_leaves_it_to_the_rival,
            All install::by_dracut_and_back,
        ],
    ),
    alone(
        &[CRASH_TOOLS],
        stories![
            All crash_kernel::claims_nothing,
        ],
    ),
    alone(
        &[TRIXIE, MODULES, DRACUT],
        stories![
            All variants::brought_by_dracut,
        ],
    ),
    alone(
        &[ARM64],
        stories![
            All virt::one_is_claimed_and_nouveau_has_the_other,
            All virt::without_an_smmu_it_is_refused,
            All virt::what_the_smmu_does_not_cover_is_given_back,
        ],
    ),
    alone(&[Need::Shipped], stories![All shipped::the_small_one_claims]),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Two cores: more machines at once only wait for each other.
    arguments.test_threads.get_or_insert(2);
    let choice = match Choice::new(&arguments) {
        Ok(choice) => choice,
        Err(error) => {
            note(&format!("{error:#}"));
            return ExitCode::FAILURE;
        }
    };
    if harness::is_plan_wanted() {
        harness::plan(PROGRAMME, &choice).iter().for_each(|line| say(line));
        return ExitCode::SUCCESS;
    }
    let stage = Stage::open().map(Arc::new).map_err(|why| why.to_string());
    if let Err(why) = &stage {
        note(&format!("the stories are not played: {why}"));
    }
    let trials = harness::trials(PROGRAMME, &choice, &stage);
    libtest_mimic::run(&arguments, trials).exit_code()
}

#[allow(clippy::print_stdout, reason = "what was asked for")]
fn say(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr, reason = "a test's own words")]
fn note(text: &str) {
    eprintln!("{text}");
}
