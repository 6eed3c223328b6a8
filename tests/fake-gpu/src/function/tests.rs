//! Behaviour on a clock that only the test moves.

use super::*;
use crate::control::{ConfigDelay, Fault};
use crate::profile::{BoardDesign, Vendor};

const COMMAND: u64 = 0x04;
const GPU_PMCSR: u64 = 0x64;
const GPU_DEVICE_CONTROL: u64 = 0x80;
const GPU_DEVICE_STATUS: u64 = 0x82;
const AER_MASK: u64 = 0x428;
const CACHE_LINE_SIZE: u64 = 0x0c;
/// Power Budgeting's Data Select, on the NVIDIA board.
const DATA_SELECT: u64 = 0x12c;

/// A function under test and its clock.
struct Bench {
    function: Function,
    now: Timestamp,
}

impl Bench {
    fn new(design: &BoardDesign, function: usize) -> Self {
        let mut function = Function::new(&design.functions().unwrap()[function]);
        function.power_on();
        Self {
            function,
            now: Timestamp(Duration::from_secs(100)),
        }
    }

    fn gpu() -> Self {
        Self::new(&BoardDesign::new(Vendor::Nvidia, 1), 0)
    }

    /// A GPU whose return from D3hot resets it.
    fn soft_reset_gpu() -> Self {
        let mut design = BoardDesign::new(Vendor::Nvidia, 1);
        design.soft_resets.push(0);
        Self::new(&design, 0)
    }

    fn with(mut self, command: &Command) -> Self {
        self.function.command(command);
        self
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
    }

    fn dword(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.function.config_read(self.now, offset, &mut data);
        u32::from_le_bytes(data)
    }

    fn word(&mut self, offset: u64) -> u16 {
        let mut data = [0; 2];
        self.function.config_read(self.now, offset, &mut data);
        u16::from_le_bytes(data)
    }

    fn write_word(&mut self, offset: u64, value: u16) -> Vec<Event> {
        let data = value.to_le_bytes();
        self.function.config_write(self.now, offset, &data)
    }

    fn bar0(&mut self, offset: u64) -> u32 {
        let mut data = [0; 4];
        self.function.bar_read(self.now, 0, offset, &mut data);
        u32::from_le_bytes(data)
    }

    fn flr(&mut self) -> Vec<Event> {
        let control = self.word(GPU_DEVICE_CONTROL);
        self.write_word(GPU_DEVICE_CONTROL, control | 0x8000)
    }

    fn through_d3hot(&mut self) -> Vec<Event> {
        assert_eq!(self.write_word(GPU_PMCSR, 3), []);
        self.write_word(GPU_PMCSR, 0)
    }

    fn state(&mut self) -> FunctionState {
        self.function.state(0, self.now)
    }
}

#[test]
fn an_flr_clears_command_and_reads_back_as_zero() {
    let mut gpu = Bench::gpu();
    gpu.write_word(COMMAND, 0x0007);
    assert_eq!(gpu.flr(), [Event::Flr]);
    assert_eq!(gpu.word(COMMAND), 0);
    assert_eq!(gpu.word(GPU_DEVICE_CONTROL), 0x2810);
    assert_eq!(gpu.state().flr, 1);
}

#[test]
fn an_ignored_flr_keeps_command() {
    let mut gpu = Bench::gpu().with(&Command::Flr(Reset::Ignore));
    gpu.write_word(COMMAND, 0x0007);
    assert_eq!(gpu.flr(), [Event::Flr]);
    assert_eq!(gpu.word(COMMAND), 0x0007);
    assert_eq!(gpu.word(GPU_DEVICE_CONTROL) & 0x8000, 0);
}

#[test]
fn a_hanging_flr_answers_with_rrs_until_its_time() {
    let mut gpu = Bench::gpu().with(&Command::Flr(Reset::Hang { ms: 3000 }));
    gpu.flr();
    gpu.wait(2999);
    assert_eq!(gpu.dword(0), 0xffff_0001);
    assert_eq!(gpu.word(COMMAND), 0xffff);
    assert_eq!(gpu.state().presence, Presence::NotReady);
    gpu.wait(1);
    assert_eq!(gpu.dword(0), 0x2489_10de);
}

#[test]
fn an_flr_that_kills_is_cured_from_above() {
    let mut gpu = Bench::gpu().with(&Command::Flr(Reset::Kill));
    gpu.flr();
    assert_eq!(gpu.dword(0), u32::MAX);
    // Nothing reaches it below, however long one waits.
    gpu.wait(100_000);
    assert_eq!(gpu.write_word(GPU_DEVICE_CONTROL, 0xffff), []);
    assert_eq!(gpu.function.secondary_bus_reset(gpu.now), Event::Sbr);
    assert_eq!(gpu.dword(0), 0x2489_10de);
    // The silicon is as bad as before: the all-ones restore fires another FLR.
    assert_eq!(gpu.write_word(GPU_DEVICE_CONTROL, 0xffff), [Event::Flr]);
    assert_eq!(gpu.dword(0), u32::MAX);
    assert_eq!(gpu.state().flr, 2);
}

#[test]
fn an_sbr_that_kills_is_cured_by_power_only() {
    let mut gpu = Bench::gpu().with(&Command::Sbr(Reset::Kill));
    gpu.function.secondary_bus_reset(gpu.now);
    gpu.function.command(&Command::Sbr(Reset::Normal));
    gpu.function.secondary_bus_reset(gpu.now);
    assert_eq!(gpu.state().presence, Presence::Absent);
    gpu.function.power_off();
    assert_eq!(gpu.state().presence, Presence::Unpowered);
    gpu.function.power_on();
    let state = gpu.state();
    assert_eq!((state.presence, state.power_cycles), (Presence::Ready, 1));
}

#[test]
fn a_dead_function_stays_dead_up_to_its_cure() {
    let until = Until::Command;
    let mut gpu = Bench::gpu().with(&Command::Die(Fault { until }));
    gpu.function.secondary_bus_reset(gpu.now);
    gpu.function.power_off();
    gpu.function.power_on();
    assert_eq!(gpu.dword(0), u32::MAX);
    gpu.function.command(&Command::Revive);
    assert_eq!(gpu.dword(0), 0x2489_10de);
}

#[test]
fn a_lesser_death_does_not_shorten_a_longer_one() {
    let until = Until::Command;
    let mut gpu = Bench::gpu()
        .with(&Command::Sbr(Reset::Kill))
        .with(&Command::Die(Fault { until }));
    gpu.function.secondary_bus_reset(gpu.now);
    gpu.function.power_off();
    gpu.function.power_on();
    assert_eq!(gpu.state().presence, Presence::Absent);
}

#[test]
fn a_function_without_flr_takes_bit_15_for_nothing() {
    let mut audio = Bench::new(&BoardDesign::new(Vendor::Nvidia, 2), 1);
    audio.write_word(COMMAND, 0x0006);
    assert_eq!(audio.flr(), []);
    assert_eq!(audio.word(COMMAND), 0x0006);
}

#[test]
fn a_return_to_d0_resets_only_without_no_soft_reset() {
    let mut keeps = Bench::gpu();
    keeps.write_word(COMMAND, 0x0002);
    assert_eq!(keeps.through_d3hot(), []);
    assert_eq!(keeps.word(COMMAND), 0x0002);

    let mut resets = Bench::soft_reset_gpu();
    resets.write_word(COMMAND, 0x0002);
    assert_eq!(resets.through_d3hot(), [Event::Pm]);
    assert_eq!(resets.word(COMMAND), 0);
    assert_eq!(resets.state().pm, 1);
}

#[test]
fn a_killing_return_to_d0_is_cured_from_above() {
    let mut gpu = Bench::soft_reset_gpu().with(&Command::Pm(Reset::Kill));
    gpu.through_d3hot();
    assert_eq!(gpu.dword(0), u32::MAX);
    gpu.function.secondary_bus_reset(gpu.now);
    assert_eq!(gpu.dword(0), 0x2489_10de);
}

#[test]
fn d3hot_shows_in_pmcsr_and_silences_the_bars() {
    let mut gpu = Bench::gpu();
    gpu.write_word(COMMAND, 0x0002);
    assert_eq!(gpu.bar0(0), 0x1750_00a1);
    gpu.write_word(GPU_PMCSR, 3);
    assert_eq!(gpu.word(GPU_PMCSR), 0x000b);
    assert_eq!(gpu.bar0(0), u32::MAX);
    assert_eq!(gpu.dword(0), 0x2489_10de);
}

#[test]
fn a_stuck_pmcsr_stays_in_d3hot_until_its_cure() {
    let until = Until::Sbr;
    let mut gpu = Bench::gpu().with(&Command::PmcsrStuck(Stuck::Stuck { until }));
    gpu.through_d3hot();
    assert_eq!(gpu.word(GPU_PMCSR) & 3, 3);
    gpu.function.secondary_bus_reset(gpu.now);
    assert_eq!(gpu.word(GPU_PMCSR) & 3, 0);
    gpu.through_d3hot();
    assert_eq!(gpu.word(GPU_PMCSR) & 3, 0);
}

#[test]
fn pending_transactions_outlive_an_flr_that_is_not_their_cure() {
    let until = Until::Sbr;
    let mut gpu = Bench::gpu().with(&Command::Pending(Stuck::Stuck { until }));
    assert_eq!(gpu.word(GPU_DEVICE_STATUS), 0x0020);
    gpu.flr();
    assert_eq!(gpu.word(GPU_DEVICE_STATUS), 0x0020);
    gpu.function.secondary_bus_reset(gpu.now);
    assert_eq!(gpu.word(GPU_DEVICE_STATUS), 0);
}

#[test]
fn dead_bars_leave_configuration_space_alone() {
    let until = Until::Flr;
    let mut gpu = Bench::gpu().with(&Command::Bars(Bars::BadFive { until }));
    gpu.write_word(COMMAND, 0x0002);
    assert_eq!(gpu.bar0(0), 0xbadf_5040);
    assert_eq!(gpu.bar0(0x11_8234), 0xbadf_5040);
    assert_eq!(gpu.dword(0), 0x2489_10de);
    gpu.flr();
    gpu.write_word(COMMAND, 0x0002);
    assert_eq!(gpu.bar0(0), 0x1750_00a1);
}

#[test]
fn bars_answer_only_while_command_lets_them() {
    let mut gpu = Bench::gpu();
    assert_eq!(gpu.bar0(0), u32::MAX);
    gpu.write_word(COMMAND, 0x0002);
    assert_eq!(gpu.bar0(0x11_8234), 0x3ff);
    assert_eq!(gpu.bar0(0x1000), 0);
}

#[test]
fn what_is_written_behind_a_bar_lasts_until_a_reset() {
    let mut gpu = Bench::gpu();
    gpu.write_word(COMMAND, 0x0002);
    gpu.function.bar_write(gpu.now, 0, 0x1002, &[0xcd, 0xab, 0xef]);
    assert_eq!((gpu.bar0(0x1000), gpu.bar0(0x1004)), (0xabcd_0000, 0xef));
    // The boot id is the silicon's own.
    gpu.function.bar_write(gpu.now, 0, 0, &[0; 4]);
    assert_eq!(gpu.bar0(0), 0x1750_00a1);
    gpu.flr();
    gpu.write_word(COMMAND, 0x0002);
    assert_eq!(gpu.bar0(0x1000), 0);
}

#[test]
fn the_aer_mask_outlives_an_sbr_but_not_power() {
    let mut gpu = Bench::gpu();
    gpu.write_word(AER_MASK + 2, 0x0010);
    gpu.function.secondary_bus_reset(gpu.now);
    assert_eq!(gpu.dword(AER_MASK), 0x0010_0000);
    gpu.function.power_off();
    gpu.function.power_on();
    assert_eq!(gpu.dword(AER_MASK), 0);
}

#[test]
fn a_delay_ends_after_its_reads() {
    let delay = ConfigDelay {
        ms: 1500,
        reads: Some(1),
    };
    let mut gpu = Bench::gpu().with(&Command::ConfigDelay(delay));
    assert_eq!(gpu.function.config_read_delay().as_millis(), 1500);
    assert_eq!(gpu.function.config_read_delay().as_millis(), 0);
}

#[test]
fn what_was_asked_for_and_what_happened_are_counted_apart() {
    let mut gpu = Bench::gpu().with(&Command::Flr(Reset::Ignore));
    let resets = |state: FunctionState| (state.config_resets, state.device_resets);
    let before = resets(gpu.state());
    gpu.flr();
    assert_eq!((gpu.state().flr, resets(gpu.state())), (1, before));
    let mut gpu = gpu.with(&Command::Flr(Reset::Kill));
    gpu.flr();
    assert_eq!((gpu.state().flr, resets(gpu.state())), (2, before));
    gpu.function.secondary_bus_reset(gpu.now);
    assert_eq!(gpu.state().sbr, 1);
    assert_eq!(resets(gpu.state()), (before.0 + 1, before.1 + 1));
}

#[test]
fn a_function_that_only_its_bars_betray_is_not_well() {
    let mut gpu = Bench::gpu();
    assert!(gpu.state().is_well());
    let mut gpu = gpu.with(&Command::Bars(Bars::AllOnes { until: Until::Sbr }));
    assert_eq!(gpu.dword(0), 0x2489_10de);
    assert!(!gpu.state().is_well());
    gpu.flr();
    assert!(!gpu.state().is_well());
    gpu.function.secondary_bus_reset(gpu.now);
    assert!(gpu.state().is_well());
}

#[test]
fn what_the_silicon_gives_survives_resets_and_what_was_written_does_not() {
    let mut gpu = Bench::gpu();
    gpu.write_word(COMMAND, 0x0002);
    gpu.function.bar_write(gpu.now, 0, 0x1000, &[1, 2, 3, 4]);
    assert_eq!(gpu.bar0(0x1000), 0x0403_0201);
    gpu.flr();
    gpu.write_word(COMMAND, 0x0002);
    assert_eq!(
        (gpu.bar0(0), gpu.bar0(0x11_8234), gpu.bar0(0x1000)),
        (0x1750_00a1, 0x3ff, 0)
    );
}

/// Every kind of reset that works, one after the other.
fn every_reset(gpu: &mut Bench) -> [(&'static str, [u8; 2]); 4] {
    let mark = |gpu: &mut Bench| {
        gpu.function.config_write(gpu.now, DATA_SELECT, &[0x5a]);
        gpu.function.config_write(gpu.now, CACHE_LINE_SIZE, &[0x10]);
        assert_eq!(marks(gpu), [0x5a, 0x10]);
    };
    mark(gpu);
    gpu.flr();
    let after_flr = marks(gpu);
    mark(gpu);
    gpu.through_d3hot();
    let after_pm = marks(gpu);
    mark(gpu);
    gpu.function.secondary_bus_reset(gpu.now);
    let after_sbr = marks(gpu);
    mark(gpu);
    gpu.function.power_off();
    gpu.function.power_on();
    [
        ("flr", after_flr),
        ("pm", after_pm),
        ("sbr", after_sbr),
        ("power", marks(gpu)),
    ]
}

/// Data Select and Cache Line Size.
fn marks(gpu: &mut Bench) -> [u8; 2] {
    [DATA_SELECT, CACHE_LINE_SIZE].map(|offset| gpu.dword(offset).to_le_bytes()[0])
}

#[test]
fn marks_are_kept_by_resets_that_are_ignored_and_gone_after_those_that_work() {
    assert_eq!(marks(&mut Bench::gpu()), [0, 0]);
    for (kind, left) in every_reset(&mut Bench::soft_reset_gpu()) {
        assert_eq!(left, [0, 0], "{kind}");
    }
    let ignoring = [
        Command::Flr(Reset::Ignore),
        Command::Pm(Reset::Ignore),
        Command::Sbr(Reset::Ignore),
    ];
    let mut ignores = ignoring.iter().fold(Bench::soft_reset_gpu(), Bench::with);
    for (kind, left) in every_reset(&mut ignores) {
        let expected = if kind == "power" { [0, 0] } else { [0x5a, 0x10] };
        assert_eq!(left, expected, "{kind}");
    }
}

#[test]
fn a_partial_reset_keeps_what_is_behind_the_bars_and_what_is_wrong_there() {
    for (command, event) in [
        (Command::Flr(Reset::Partial), Event::Flr),
        (Command::Sbr(Reset::Partial), Event::Sbr),
    ] {
        let mut gpu = Bench::gpu().with(&command);
        let before = gpu.state();
        gpu.write_word(COMMAND, 0x0002);
        gpu.function.config_write(gpu.now, DATA_SELECT, &[1]);
        gpu.function.bar_write(gpu.now, 0, 0x1000, &[1, 2, 3, 4]);
        match event {
            Event::Flr => assert_eq!(gpu.flr(), [Event::Flr]),
            _ => assert_eq!(gpu.function.secondary_bus_reset(gpu.now), Event::Sbr),
        }
        assert_eq!((gpu.word(COMMAND), marks(&mut gpu)), (0, [0, 0]));
        gpu.write_word(COMMAND, 0x0002);
        assert_eq!(gpu.bar0(0x1000), 0x0403_0201);
        let after = gpu.state();
        assert_eq!(after.config_resets, before.config_resets + 1);
        assert_eq!(after.device_resets, before.device_resets);
    }
    let until = Until::Flr;
    let mut gpu = Bench::gpu()
        .with(&Command::Flr(Reset::Partial))
        .with(&Command::Bars(Bars::AllOnes { until }))
        .with(&Command::Pending(Stuck::Stuck { until }));
    gpu.flr();
    let state = gpu.state();
    assert!(!state.pending && state.bars != Bars::Normal);
}

#[test]
fn a_late_reset_takes_place_after_its_time_and_once() {
    let mut gpu = Bench::gpu().with(&Command::Flr(Reset::Late { ms: 250 }));
    let before = gpu.state().device_resets;
    gpu.function.config_write(gpu.now, DATA_SELECT, &[1]);
    gpu.flr();
    gpu.wait(249);
    assert_eq!((marks(&mut gpu), gpu.state().device_resets), ([1, 0], before));
    gpu.wait(1);
    assert_eq!((marks(&mut gpu), gpu.state().device_resets), ([0, 0], before + 1));
    gpu.function.config_write(gpu.now, DATA_SELECT, &[1]);
    gpu.wait(10_000);
    assert_eq!((marks(&mut gpu), gpu.state().device_resets), ([1, 0], before + 1));
}

#[test]
fn a_late_reset_ends_a_fault_late() {
    let mut gpu = Bench::gpu()
        .with(&Command::Sbr(Reset::Late { ms: 250 }))
        .with(&Command::Die(Fault { until: Until::Sbr }));
    gpu.function.secondary_bus_reset(gpu.now);
    gpu.wait(249);
    assert!(!gpu.state().is_well());
    gpu.wait(1);
    assert!(gpu.state().is_well());
}

#[test]
fn one_that_dies_after_a_reset_is_well_until_then() {
    let mut gpu = Bench::gpu().with(&Command::Flr(Reset::Dies { ms: 250 }));
    gpu.flr();
    gpu.wait(249);
    assert!(gpu.state().is_well());
    assert_eq!(gpu.dword(0), 0x2489_10de);
    gpu.wait(1);
    assert_eq!(gpu.dword(0), u32::MAX);
    gpu.function.secondary_bus_reset(gpu.now);
    gpu.wait(10_000);
    assert!(gpu.state().is_well());
}

#[test]
fn a_reset_in_time_prevents_the_death_and_an_ignored_one_does_not() {
    let dies = || Bench::gpu().with(&Command::Flr(Reset::Dies { ms: 250 }));
    let mut gpu = dies();
    gpu.flr();
    gpu.function.secondary_bus_reset(gpu.now);
    gpu.wait(250);
    assert!(gpu.state().is_well());
    let mut gpu = dies().with(&Command::Sbr(Reset::Ignore));
    gpu.flr();
    gpu.function.secondary_bus_reset(gpu.now);
    gpu.wait(250);
    assert_eq!(gpu.state().presence, Presence::Absent);
    gpu.function.power_off();
    gpu.function.power_on();
    gpu.wait(250);
    assert!(gpu.state().is_well());
}

#[test]
fn another_serial_number_comes_with_a_reset_and_only_where_there_was_one() {
    let serial = |gpu: &mut Bench| (gpu.dword(0xf04), gpu.dword(0xf08));
    let number = 0x48b0_2d00_0000_0002;
    let other = Command::Serial(Serial::AfterReset { number });
    let mut design = BoardDesign::new(Vendor::Nvidia, 1);
    design.serial_number = Some(SerialNumber(0x48b0_2d00_0000_0001));
    let mut gpu = Bench::new(&design, 0).with(&other);
    assert_eq!(serial(&mut gpu), (1, 0x48b0_2d00));
    assert!(gpu.state().is_well());
    gpu.flr();
    assert_eq!(serial(&mut gpu), (2, 0x48b0_2d00));
    assert!(gpu.state().is_other && !gpu.state().is_well());
    let mut gpu = gpu.with(&Command::Serial(Serial::Own));
    gpu.flr();
    assert_eq!(serial(&mut gpu), (1, 0x48b0_2d00));
    assert!(gpu.state().is_well());

    let mut none = Bench::gpu().with(&other);
    none.flr();
    assert_eq!(serial(&mut none), (0, 0));
    assert!(none.state().is_well());
}

/// Behind BAR5 of AMD's boards, with the value that orders a reset.
const MODE_1: (usize, u64, [u8; 4]) = (5, 0x5_8200, [0, 0, 7, 0]);

#[test]
fn a_register_of_amd_s_own_asks_for_a_reset_of_the_board() {
    let (bar, offset, order) = MODE_1;
    let mut gpu = Bench::new(&BoardDesign::new(Vendor::Amd, 2), 0);
    assert!(
        !gpu.function.bar_write(gpu.now, bar, offset, &order),
        "it does not decode"
    );
    gpu.write_word(COMMAND, 0x0002);
    assert!(!gpu.function.bar_write(gpu.now, bar, offset, &[1, 0, 7, 0]));
    assert!(gpu.function.bar_write(gpu.now, bar, offset, &order));
    let before = gpu.state();
    assert_eq!(gpu.function.device_specific_reset(gpu.now), Event::DeviceSpecific);
    let after = gpu.state();
    assert_eq!(
        (after.device_specific, after.sbr),
        (before.device_specific + 1, before.sbr)
    );
    assert_eq!(after.device_resets, before.device_resets + 1);
    assert_eq!(gpu.word(COMMAND), 0);

    let mut none = Bench::gpu();
    none.write_word(COMMAND, 0x0002);
    assert!(!none.function.bar_write(none.now, 0, offset, &order));
}

#[test]
fn a_device_specific_reset_can_do_nothing_or_kill_until_an_sbr() {
    let amd = || Bench::new(&BoardDesign::new(Vendor::Amd, 2), 0);
    let mut ignores = amd().with(&Command::DeviceSpecific(Reset::Ignore));
    let before = ignores.state().device_resets;
    ignores.function.device_specific_reset(ignores.now);
    assert_eq!(ignores.state().device_resets, before);
    let mut dies = amd().with(&Command::DeviceSpecific(Reset::Kill));
    dies.function.device_specific_reset(dies.now);
    assert_eq!(dies.state().presence, Presence::Absent);
    dies.function.secondary_bus_reset(dies.now);
    assert!(dies.state().is_well());
}

/// Writes all ones to a register behind BAR0 of a function of the NVIDIA board; what stays, what is left by an FLR of a function
/// that has none, and what by a bus reset.
fn kept_behind(function: usize, offset: u64) -> [u32; 3] {
    let mut bench = Bench::new(&BoardDesign::new(Vendor::Nvidia, 4), function);
    let now = bench.now;
    bench.function.config_write(now, COMMAND, &[0x02, 0]);
    bench.function.bar_write(now, 0, offset, &[0xff; 4]);
    let read = |bench: &mut Bench| {
        let mut data = [0; 4];
        bench.function.config_write(now, COMMAND, &[0x02, 0]);
        bench.function.bar_read(now, 0, offset, &mut data);
        u32::from_le_bytes(data)
    };
    let written = read(&mut bench);
    let control = u64::from(bench.function.config.device_control());
    bench.function.config_write(now, control, &0x8000_u16.to_le_bytes());
    let after_flr = read(&mut bench);
    bench.function.secondary_bus_reset(now);
    [written, after_flr, read(&mut bench)]
}

#[test]
fn controllers_keep_their_standard_registers_until_they_are_reset() {
    // GCTL, CONFIG, and I2C_MST_ADDR.
    assert_eq!(kept_behind(1, 0x08), [0x101, 0x101, 0]);
    assert_eq!(kept_behind(2, 0x78), [0x3ff, 0x3ff, 0]);
    assert_eq!(kept_behind(3, 0x04), [0x7f, 0x7f, 0]);
    // The silicon's own registers, which no write changes: CAPLENGTH and HCIVERSION, and USBSTS.
    assert_eq!(kept_behind(2, 0x00), [0x0110_0040; 3]);
    assert_eq!(kept_behind(2, 0x44), [1; 3]);
}

#[test]
fn a_partial_reset_leaves_what_is_behind_the_bars_of_a_controller() {
    let mut bench = Bench::new(&BoardDesign::new(Vendor::Nvidia, 2), 1).with(&Command::Sbr(Reset::Partial));
    let now = bench.now;
    bench.function.config_write(now, COMMAND, &[0x02, 0]);
    bench.function.bar_write(now, 0, 0x08, &1_u32.to_le_bytes());
    bench.function.secondary_bus_reset(now);
    bench.function.config_write(now, COMMAND, &[0x02, 0]);
    let mut data = [0; 4];
    bench.function.bar_read(now, 0, 0x08, &mut data);
    assert_eq!(data, [1, 0, 0, 0]);
}
