//! Slots that keep their card while the guest switches their power.
//!
//! A guest that switches a slot off has QEMU unplug what is in it, as if somebody had pulled the card; and a card that is
//! put back has QEMU press the slot's attention button, upon which Linux powers the slot on by itself. A real card stays
//! where it is and nobody presses anything: the keeper plugs the card in again and takes the button back before the guest
//! can see it. It has a second for that, if QEMU unplugs when the power goes. With the power indicator on, it unplugs
//! only when the guest turns that off, at the end of the same write to the slot's `power`; so the keeper puts the light out
//! after each cycle, which Linux neither reads nor minds.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use super::VfioUser;
use super::ports::{self, PortPlace};
use crate::clock::monotonic;
use crate::qmp::{Qmp, QmpError};

/// How soon the thread notices that it is no longer wanted, and that a light is on.
const PATIENCE: Duration = Duration::from_millis(200);

/// A slot and the card in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSlot {
    /// Where the port of the slot is.
    pub port: PortPlace,
    /// The card's functions.
    pub functions: Vec<VfioUser>,
}

/// Puts every card back that QEMU takes out, until it is dropped.
#[derive(Debug)]
pub struct SlotKeeper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A slot that was filled again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refill {
    /// Where the port is.
    pub port: PortPlace,
    /// When QEMU had taken the last function out: `CLOCK_MONOTONIC`.
    pub emptied: Duration,
    /// When the last function was back.
    pub filled: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    refills: Vec<Refill>,
    error: Option<QmpError>,
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotKeeper {
    pub(super) fn start(qmp: Arc<Qmp>, slots: Vec<KeptSlot>) -> Self {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let kept = slots.into_iter().map(Slot::new).collect();
            let kept = keep(&qmp, kept, &own);
            own.seen().error = kept.err();
        });
        Self {
            shared,
            thread: Some(thread),
        }
    }

    /// The slots that were filled again so far.
    ///
    /// # Errors
    /// When QEMU would not take a function back.
    pub fn refills(&self) -> Result<Vec<Refill>, QmpError> {
        let mut seen = self.shared.seen();
        seen.error.take().map_or_else(|| Ok(seen.refills.clone()), Err)
    }
}

impl Drop for SlotKeeper {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing more to do either.
            thread.join().ok();
        }
    }
}

/// A slot and what the thread knows of it.
struct Slot {
    kept: KeptSlot,
    /// How many functions have been taken out.
    out: usize,
    /// Whether the light will go on, or is on.
    is_lit: bool,
}

impl Slot {
    fn new(mut kept: KeptSlot) -> Self {
        // Function 0 comes last: by it QEMU tells the guest of all.
        kept.functions
            .sort_by_key(|function| std::cmp::Reverse(function.function));
        Self {
            kept,
            out: 0,
            is_lit: false,
        }
    }

    fn holds(&self, id: &str) -> bool {
        self.kept.functions.iter().any(|function| function.id == id)
    }
}

fn keep(qmp: &Qmp, mut slots: Vec<Slot>, shared: &Shared) -> Result<(), QmpError> {
    while !shared.stop.load(Ordering::Relaxed) {
        match qmp.take_event("DEVICE_DELETED", PATIENCE) {
            Ok(event) => {
                let id = event.data.get("device").and_then(Value::as_str).unwrap_or_default();
                if let Some(slot) = slots.iter_mut().find(|slot| slot.holds(id)) {
                    slot.out += 1;
                    if slot.out == slot.kept.functions.len() {
                        let refill = fill(qmp, slot)?;
                        shared.seen().refills.push(refill);
                    }
                }
            }
            Err(QmpError::Timeout { .. }) => {
                for slot in slots.iter_mut().filter(|slot| slot.is_lit) {
                    slot.is_lit = !paused(qmp, || ports::put_light_out(qmp, slot.kept.port))?;
                }
            }
            // The machine has been dropped.
            Err(QmpError::Ended(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn fill(qmp: &Qmp, slot: &mut Slot) -> Result<Refill, QmpError> {
    let (port, emptied) = (slot.kept.port, monotonic());
    paused(qmp, || {
        for function in &slot.kept.functions {
            qmp.execute("device_add", function.arguments())?;
        }
        ports::release_button(qmp, port)
    })?;
    slot.out = 0;
    slot.is_lit = true;
    let filled = monotonic();
    Ok(Refill { port, emptied, filled })
}

/// Does something while the guest stands still.
fn paused<T>(qmp: &Qmp, action: impl FnOnce() -> Result<T, QmpError>) -> Result<T, QmpError> {
    qmp.execute("stop", json!({}))?;
    let done = action();
    qmp.execute("cont", json!({}))?;
    done
}
