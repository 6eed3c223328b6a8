//! Faults that are drawn: whatever combination comes up, the same seed draws it again.

use std::fmt;
use std::ops::RangeInclusive;

use fake_gpu::control::{Bars, Command, Fault, Reset, Serial, Stuck, Until};

/// Numbers that look random: `SplitMix64`.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Those of one case of a campaign.
    #[must_use]
    pub fn of_case(seed: u64, case: u64) -> Self {
        let mut dice = Self(seed ^ case.wrapping_mul(0xd134_2543_de82_ef95));
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of this range.
    pub fn number(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = range.into_inner();
        first + self.next() % (last - first + 1)
    }

    /// Returns true in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.number(1..=100) <= chance
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let last = u64::try_from(of.len()).ok()?.checked_sub(1)?;
        let index = usize::try_from(self.number(0..=last)).ok()?;
        of.get(index).copied()
    }
}

/// A board as far as it decides what can be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Drawable {
    /// How many functions it has.
    pub functions: u8,
    /// Whether function 0 has a serial number.
    pub has_serial_number: bool,
    /// Whether a reset from above may hit it: nobody else is in its domain.
    pub is_exclusive: bool,
    /// Whether it answers for a unit that does not answer, as NVIDIA's do.
    pub has_bad_five: bool,
}

/// When a fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the recovery is begun.
    Before,
    /// So many milliseconds after it was begun.
    Meanwhile {
        /// How many.
        ms: u64,
    },
}

/// What is drawn for one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// What the fake is told, for which function; `None` is for each.
    pub faults: Vec<(Option<u8>, Command)>,
    /// When.
    pub moment: Moment,
}

/// A second within which the recovery is at any of its steps.
const MEANWHILE: RangeInclusive<u64> = 0..=1000;

impl Drawn {
    /// Draws the faults of a case: how resets go, what is wrong, and when.
    pub fn new(dice: &mut Dice, board: Drawable, waits: Waits) -> Self {
        let mut faults = Vec::new();
        if dice.percent(70) {
            let command = Command::Flr(reset(dice, waits, !board.is_exclusive));
            faults.push((whom(dice, board), command));
        }
        if dice.percent(45) {
            let command = Command::Sbr(reset(dice, waits, true));
            faults.push((whom(dice, board), command));
        }
        let moment = match dice.percent(25) {
            true => Moment::Meanwhile {
                ms: dice.number(MEANWHILE),
            },
            false => Moment::Before,
        };
        // One that begins in the middle may come after the last look.
        if moment == Moment::Before && dice.percent(40) {
            faults.push(sickness(dice, board));
        }
        if board.has_serial_number && dice.percent(10) {
            let number = 0x48b0_2dff_0000_0000 | dice.number(1..=0xffff);
            faults.push((Some(0), Command::Serial(Serial::AfterReset { number })));
        }
        Self { faults, moment }
    }
}

/// Whether a case may have the kernel wait for a minute for a function that does not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// It may.
    Long,
    /// Only for the FLR that need not come first.
    Short,
}

fn reset(dice: &mut Dice, waits: Waits, is_unavoidable: bool) -> Reset {
    let kills = match waits {
        Waits::Short if is_unavoidable => Reset::Ignore,
        Waits::Short | Waits::Long => Reset::Kill,
    };
    let late = Reset::Late {
        ms: dice.number(20..=900),
    };
    // Before anybody who waits for half a second has had his second look.
    let dies = Reset::Dies {
        ms: dice.number(10..=400),
    };
    let hangs = Reset::Hang {
        ms: dice.number(20..=1500),
    };
    let all = [Reset::Ignore, Reset::Ignore, Reset::Partial, late, dies, hangs, kills];
    dice.one_of(&all).unwrap_or_default()
}

fn sickness(dice: &mut Dice, board: Drawable) -> (Option<u8>, Command) {
    let until = dice.one_of(&[Until::Flr, Until::Sbr, Until::Command]);
    let until = until.unwrap_or(Until::Sbr);
    let sick = [
        Command::Die(Fault {
            until: until.max(Until::Sbr),
        }),
        Command::Bars(Bars::AllOnes { until }),
        Command::Bars(if board.has_bad_five {
            Bars::BadFive { until }
        } else {
            Bars::AllOnes { until }
        }),
        Command::Pending(Stuck::Stuck { until }),
    ];
    match usize::try_from(dice.number(0..=3)) {
        // No look at a sibling goes behind its BARs.
        Ok(index @ (1 | 2)) => (Some(0), sick[index].clone()),
        Ok(3) => (whom(dice, board), sick[3].clone()),
        _ => (whom(dice, board), sick[0].clone()),
    }
}

/// All functions, or one of them.
fn whom(dice: &mut Dice, board: Drawable) -> Option<u8> {
    let last = u64::from(board.functions.saturating_sub(1));
    let one = u8::try_from(dice.number(0..=last)).ok();
    one.filter(|_| dice.percent(40))
}

impl fmt::Display for Drawn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.moment {
            Moment::Before => formatter.write_str("before it:")?,
            Moment::Meanwhile { ms } => write!(formatter, "{ms} ms after its begin:")?,
        }
        for (function, command) in &self.faults {
            match function {
                Some(function) => write!(formatter, " function {function} {command:?},")?,
                None => write!(formatter, " all {command:?},")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const BOARD: Drawable = Drawable {
        functions: 4,
        has_serial_number: true,
        is_exclusive: true,
        has_bad_five: true,
    };

    fn drawn(seed: u64, cases: u64, board: Drawable, waits: Waits) -> Vec<Drawn> {
        let case = |case| Drawn::new(&mut Dice::of_case(seed, case), board, waits);
        (0..cases).map(case).collect()
    }

    #[test]
    fn a_seed_draws_the_same_again_and_another_one_does_not() {
        assert_eq!(drawn(7, 50, BOARD, Waits::Long), drawn(7, 50, BOARD, Waits::Long));
        assert_ne!(drawn(7, 50, BOARD, Waits::Long), drawn(8, 50, BOARD, Waits::Long));
    }

    #[test]
    fn every_fault_every_function_and_every_moment_comes_up() {
        let all = drawn(1, 500, BOARD, Waits::Long);
        let kind = |command: &Command| {
            let text = format!("{command:?}");
            text.split(['{', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let faults = || all.iter().flat_map(|drawn| &drawn.faults);
        let kinds: BTreeSet<String> = faults().map(|(_, command)| kind(command)).collect();
        let functions: BTreeSet<_> = faults().map(|(function, _)| *function).collect();
        // Six ways of each reset, four kinds of sickness of which two are one word, and the serial number.
        assert!(kinds.len() >= 16, "{kinds:?}");
        assert_eq!(functions, [None, Some(0), Some(1), Some(2), Some(3)].into());
        let meanwhile = all.iter().filter(|drawn| drawn.moment != Moment::Before).count();
        assert!((75..=175).contains(&meanwhile), "{meanwhile}");
    }

    #[test]
    fn short_cases_have_nothing_that_the_kernel_waits_for_in_vain() {
        let beside = Drawable {
            is_exclusive: false,
            ..BOARD
        };
        let kills = |board, waits| {
            let all = drawn(2, 500, board, waits).into_iter().flat_map(|drawn| drawn.faults);
            all.filter(|(_, command)| matches!(command, Command::Flr(Reset::Kill) | Command::Sbr(Reset::Kill)))
                .count()
        };
        assert_eq!(kills(beside, Waits::Short), 0);
        assert!(kills(beside, Waits::Long) > 20 && kills(BOARD, Waits::Short) > 10);
    }

    #[test]
    fn a_board_without_a_serial_number_gets_no_other() {
        let none = Drawable {
            has_serial_number: false,
            ..BOARD
        };
        let all = drawn(3, 200, none, Waits::Long);
        let has_serial = |drawn: &Drawn| {
            drawn
                .faults
                .iter()
                .any(|(_, command)| matches!(command, Command::Serial(_)))
        };
        assert!(!all.iter().any(has_serial));
    }
}
