//! The fake as a machine sees it: over real sockets, with the vfio-user client of another author.

use std::time::{Duration, Instant};

use crate::support::{BAR0, Bench, CONFIG, Outcome, program};
use fake_gpu::control::{Command, ConfigDelay, Fault, Power, PowerState, Presence, Reset, Until};
use fake_gpu::process::FakeGpu;
use fake_gpu::profile::{BoardDesign, Vendor};

#[test]
fn regions_have_the_sizes_of_the_part() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let machine = bench.connect(0)?;
    let sizes: Vec<_> = (0..9)
        .map(|index| machine.0.region(index).map(|region| region.size))
        .collect();
    let mib = |count: u64| Some(count << 20);
    let none = Some(0);
    assert_eq!(
        sizes,
        [
            mib(16),
            mib(256),
            none,
            mib(32),
            none,
            Some(128),
            none,
            Some(4096),
            none
        ]
    );
    Ok(())
}

#[test]
fn the_whole_space_reads_at_once_as_qemu_does() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    let mut space = [0; 4096];
    machine.0.region_read(CONFIG, 0, &mut space)?;
    assert_eq!(space[..4], [0xde, 0x10, 0x89, 0x24]);
    assert_eq!(space[0xe00..0xe04], [0x25, 0x00, 0x01, 0x00]);
    Ok(())
}

#[test]
fn four_functions_are_four_sockets() -> Outcome<()> {
    let bench = Bench::nvidia(4)?;
    let mut identities = Vec::new();
    for function in 0..4 {
        identities.push(bench.connect(function)?.identity()?);
    }
    assert_eq!(identities, [0x2489_10de, 0x1aef_10de, 0x1aec_10de, 0x1aed_10de]);
    Ok(())
}

#[test]
fn overrides_reach_the_served_function() -> Outcome<()> {
    let mut design = BoardDesign::new(Vendor::Nvidia, 2);
    design.functions = "gpu,ucsi".parse()?;
    design.identities = vec!["1=8086:37c8".parse()?];
    design.classes = vec!["0=030200".parse()?];
    design.soft_resets = vec![0];
    let bench = Bench::start(&design)?;
    assert_eq!(bench.connect(1)?.identity()?, 0x37c8_8086);
    let mut gpu = bench.connect(0)?;
    assert_eq!(gpu.read_dword(CONFIG, 8)?, 0x0302_00a1);
    assert_eq!(gpu.read_word(0x64)?, 0);
    Ok(())
}

#[test]
fn an_ignored_flr_leaves_command_and_a_normal_one_clears_it() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    bench.fake.control(&Command::Flr(Reset::Ignore))?;
    machine.write_word(4, 0x0006)?;
    machine.flr()?;
    assert_eq!(machine.read_word(4)?, 0x0006);
    bench.fake.control(&Command::Flr(Reset::Normal))?;
    machine.flr()?;
    assert_eq!(machine.read_word(4)?, 0);
    assert_eq!(bench.state(0)?.flr, 2);
    Ok(())
}

#[test]
fn a_hanging_flr_comes_back_by_the_clock() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    // Longer than a loaded machine may take to the first question.
    bench.fake.control(&Command::Flr(Reset::Hang { ms: 2000 }))?;
    let start = Instant::now();
    machine.flr()?;
    assert_eq!(machine.identity()?, 0xffff_0001);
    bench.eventually(|_| Ok(machine.identity()? == 0x2489_10de))?;
    assert!(start.elapsed() >= Duration::from_secs(2));
    Ok(())
}

#[test]
fn a_killing_flr_is_cured_by_the_reset_from_above() -> Outcome<()> {
    let bench = Bench::nvidia(2)?;
    let (mut gpu, mut audio) = (bench.connect(0)?, bench.connect(1)?);
    bench.fake.control_function(0, &Command::Flr(Reset::Kill))?;
    gpu.flr()?;
    assert_eq!(gpu.identity()?, u32::MAX);
    assert_eq!(audio.identity()?, 0x1aef_10de);
    assert_eq!(bench.state(0)?.presence, Presence::Absent);
    gpu.0.reset()?;
    assert_eq!(gpu.identity()?, 0x2489_10de);
    assert_eq!((bench.state(0)?.sbr, bench.state(1)?.sbr), (1, 0));
    Ok(())
}

#[test]
fn d3hot_is_a_state_and_d0_another() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    machine.write_word(0x64, 0x0003)?;
    assert_eq!(bench.state(0)?.power_state, PowerState::D3hot);
    machine.write_word(0x64, 0x0000)?;
    assert_eq!(bench.state(0)?.power_state, PowerState::D0);
    Ok(())
}

#[test]
fn bar0_has_the_boot_id_and_remembers_writes() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    machine.write_word(4, 0x0002)?;
    assert_eq!(machine.read_dword(BAR0, 0)?, 0x1750_00a1);
    machine.0.region_write(BAR0, 0xff_fffc, &[1, 2, 3, 4])?;
    assert_eq!(machine.read_dword(BAR0, 0xff_fffc)?, 0x0403_0201);
    Ok(())
}

#[test]
fn power_off_drops_all_connections_and_refuses_new_ones() -> Outcome<()> {
    let bench = Bench::nvidia(2)?;
    let (mut gpu, mut audio) = (bench.connect(0)?, bench.connect(1)?);
    bench.fake.control(&Command::Power(Power::Off))?;
    assert!(gpu.identity().is_err());
    assert!(audio.identity().is_err());
    assert!(bench.connect(0).is_err());
    assert_eq!(bench.state(1)?.presence, Presence::Unpowered);
    bench.fake.control(&Command::Power(Power::On))?;
    assert_eq!(bench.connect(0)?.identity()?, 0x2489_10de);
    Ok(())
}

#[test]
fn hanging_up_is_a_power_cycle() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    machine.write_word(4, 0x0006)?;
    bench.fake.control(&Command::Die(Fault { until: Until::Power }))?;
    assert_eq!(machine.identity()?, u32::MAX);
    drop(machine);
    bench.eventually(|bench| Ok(bench.state(0)?.presence == Presence::Unpowered))?;
    let mut machine = bench.connect(0)?;
    assert_eq!(machine.identity()?, 0x2489_10de);
    assert_eq!(machine.read_word(4)?, 0);
    assert_eq!(bench.state(0)?.power_cycles, 1);
    Ok(())
}

#[test]
fn a_delayed_read_is_late_once() -> Outcome<()> {
    let bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    let delay = ConfigDelay {
        ms: 1500,
        reads: Some(1),
    };
    bench.fake.control(&Command::ConfigDelay(delay))?;
    let start = Instant::now();
    machine.identity()?;
    let late = start.elapsed();
    machine.identity()?;
    assert!(late >= Duration::from_millis(1500), "{late:?}");
    // The next one is not; how fast it is on a loaded machine is another matter.
    assert!(start.elapsed() - late < Duration::from_millis(1500));
    Ok(())
}

#[test]
fn a_crashed_fake_is_gone_and_can_start_again_in_its_place() -> Outcome<()> {
    let mut bench = Bench::nvidia(1)?;
    let mut machine = bench.connect(0)?;
    bench.fake.kill()?;
    assert!(machine.identity().is_err());
    let before = bench.fake.entries()?;
    let design = BoardDesign::new(Vendor::Nvidia, 1);
    bench.fake = FakeGpu::start(program(), bench.directory.path(), &design)?;
    assert_eq!(bench.connect(0)?.identity()?, 0x2489_10de);
    assert!(bench.fake.entries()?.starts_with(&before));
    Ok(())
}
