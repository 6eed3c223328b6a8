//! Builds the relations between functions.
//!
//! Bus numbers are enough: a bridge's secondary bus is above its own bus number, so in ascending order every bridge
//! comes before the functions below it. One sweep over the buses of a segment, with the open bridges on a stack, finds
//! the bridge above each function and everything that does not nest. Bridges cannot form a loop: each one is on a lower
//! bus.

use super::anomaly::Anomaly;
use super::function::{Function, Membership, Role};
use super::{Link, Node, find};
use crate::address::FunctionAddress;
use crate::header::BusNumbers;
use crate::quirk::{Effect, RESETS, Subject, decided};

/// The number of buses in a segment.
const BUSES: usize = 256;

/// Fills all nodes. There are as many nodes as functions, and the functions are in ascending order.
pub(super) fn link(functions: &[Function], nodes: &mut [Node]) {
    nodes.fill(Node::EMPTY);
    let mut linker = Linker { functions, nodes };
    let mut start = 0;
    while let Some(first) = functions.get(start) {
        let rest = functions.iter().skip(start);
        let count = rest
            .take_while(|function| function.address.segment() == first.address.segment())
            .count();
        let end = start.wrapping_add(count);
        linker.segment(start, end);
        start = end;
    }
    linker.virtual_functions();
    linker.fabrics();
    linker.quirks();
    linker.doubts();
}

struct Linker<'l> {
    functions: &'l [Function],
    nodes: &'l mut [Node],
}

/// The bridges of a segment that are open at some bus, the innermost last.
struct Open {
    /// The bridge that leads to each bus.
    to: [Link; BUSES],
    stack: [(Link, BusNumbers); BUSES],
    depth: usize,
}

impl Open {
    const NOBODY: (Link, BusNumbers) = (
        Link::NONE,
        BusNumbers {
            primary: 0,
            secondary: 0,
            subordinate: 0,
        },
    );

    const fn new() -> Self {
        Self {
            to: [Link::NONE; BUSES],
            stack: [Self::NOBODY; BUSES],
            depth: 0,
        }
    }

    fn leads_to(&self, bus: u8) -> Link {
        self.to.get(usize::from(bus)).copied().unwrap_or(Link::NONE)
    }

    fn innermost(&self) -> Option<(usize, BusNumbers)> {
        let (link, buses) = self.stack.get(self.depth.checked_sub(1)?)?;
        Some((link.get()?, *buses))
    }

    /// Closes the innermost bridges that end before `bus`.
    fn close(&mut self, bus: u8) {
        while self.innermost().is_some_and(|(_, buses)| buses.subordinate < bus) {
            self.depth = self.depth.saturating_sub(1);
        }
    }

    fn push(&mut self, index: usize, buses: BusNumbers) {
        if let Some(entry) = self.stack.get_mut(self.depth) {
            *entry = (Link::to(index), buses);
            self.depth = self.depth.saturating_add(1);
        }
    }
}

impl Linker<'_> {
    /// Records an anomaly, unless there is one already.
    fn mark(&mut self, index: usize, anomaly: Anomaly) {
        if let Some(node) = self.nodes.get_mut(index) {
            node.anomaly.get_or_insert(anomaly);
        }
    }

    /// Records an anomaly between two functions at both of them.
    fn mark_both(&mut self, one: usize, other: usize, anomaly: fn(FunctionAddress) -> Anomaly) {
        if let (Some(first), Some(second)) = (self.functions.get(one), self.functions.get(other)) {
            self.mark(one, anomaly(second.address));
            self.mark(other, anomaly(first.address));
        }
    }

    fn above(&self, index: usize) -> Link {
        self.nodes.get(index).map_or(Link::NONE, |node| node.above)
    }

    /// Finds the bridge above each function of a segment.
    fn segment(&mut self, start: usize, end: usize) {
        let functions = self.functions.get(start..end).unwrap_or_default();
        let mut open = Open::new();
        let mut last = 0;
        for (index, function) in (start..).zip(functions) {
            if let Some(buses) = self.claim(&mut open, index, function) {
                last = last.max(buses.secondary);
            }
        }
        let mut members = (start..).zip(functions).peekable();
        let first_bus = functions.first().map_or(0, |function| function.address.bus());
        let last_bus = functions.last().map_or(0, |function| function.address.bus());
        for bus in first_bus..=last.max(last_bus) {
            open.close(bus);
            self.enter(&mut open, bus);
            while let Some((index, function)) = members.next_if(|(_, function)| function.address.bus() == bus) {
                self.attach(&open, index, function);
            }
        }
    }

    /// Records the bus that a bridge leads to, if any.
    fn claim(&mut self, open: &mut Open, index: usize, function: &Function) -> Option<BusNumbers> {
        let bridge = match &function.role {
            Role::Endpoint => return None,
            Role::Unknown => {
                self.mark(index, Anomaly::RoleUnknown);
                return None;
            }
            Role::Bridge(bridge) => bridge,
        };
        let Some(BusNumbers {
            secondary, subordinate, ..
        }) = bridge.buses
        else {
            self.mark(index, Anomaly::BusesUnknown);
            return None;
        };
        let Some(buses) = function.buses_below() else {
            match (secondary, subordinate) {
                // No buses were assigned: it leads nowhere.
                (0, 0) => {}
                _ if subordinate < secondary => self.mark(index, Anomaly::BusesInverted { secondary, subordinate }),
                _ => self.mark(index, Anomaly::BusesBackward { secondary }),
            }
            return None;
        };
        // If two bridges claim a bus, the wider one gets it: everything below either of them is then below it, and so
        // in doubt.
        let other = open.leads_to(secondary).get();
        let others = other.and_then(|other| self.functions.get(other)?.buses_below());
        if let Some(other) = other {
            self.mark_both(index, other, Anomaly::BusClaimedTwice);
        }
        if others.is_none_or(|others| others.subordinate < subordinate)
            && let Some(claim) = open.to.get_mut(usize::from(secondary))
        {
            *claim = Link::to(index);
        }
        Some(buses)
    }

    /// Opens the bridge that leads to `bus`, and compares its buses with those around them.
    fn enter(&mut self, open: &mut Open, bus: u8) {
        let Some(index) = open.leads_to(bus).get() else {
            return;
        };
        let Some(buses) = self.functions.get(index).and_then(Function::buses_below) else {
            return;
        };
        let above = self.above(index).get();
        match open.innermost() {
            Some((around, outer)) if buses.subordinate > outer.subordinate => {
                self.mark_both(index, around, Anomaly::BusesOverlap);
            }
            Some((around, _)) if above != Some(around) => self.mark_both(index, around, Anomaly::BusesOverlap),
            Some(_) => {}
            None => {
                if let Some(above) = above
                    && let Some(function) = self.functions.get(above)
                {
                    self.mark(index, Anomaly::BusesOutside(function.address));
                }
            }
        }
        open.push(index, buses);
    }

    fn attach(&mut self, open: &Open, index: usize, function: &Function) {
        let leads = open.leads_to(function.address.bus());
        let around = open.innermost().map_or(Link::NONE, |(around, _)| Link::to(around));
        let above = match function.physical_function {
            _ if !leads.is_none() => leads,
            // Virtual functions may be on further buses of their port, which no bridge leads to.
            Some(_) => around,
            None => {
                if !around.is_none() {
                    self.mark(index, Anomaly::NoBridge);
                }
                Link::NONE
            }
        };
        if let Some(node) = self.nodes.get_mut(index) {
            node.above = above;
        }
    }

    /// Lists each physical function's virtual functions, in ascending order.
    fn virtual_functions(&mut self) {
        let functions = self.functions;
        for (index, function) in functions.iter().enumerate().rev() {
            let Some(address) = function.physical_function else {
                continue;
            };
            let physical = find(functions, address)
                .and_then(|at| Some((at, functions.get(at)?)))
                .filter(|(_, physical)| physical.physical_function.is_none() && !physical.is_bridge());
            let Some((at, physical)) = physical else {
                self.mark(index, Anomaly::PhysicalFunctionMissing(address));
                continue;
            };
            if physical.address.segment() != function.address.segment() || self.above(at) != self.above(index) {
                self.mark_both(index, at, Anomaly::VirtualFunctionElsewhere);
            }
            let Some(node) = self.nodes.get_mut(at) else { continue };
            let next = core::mem::replace(&mut node.virtual_functions, Link::to(index));
            if let Some(node) = self.nodes.get_mut(index) {
                node.next_virtual_function = next;
            }
        }
        for (index, function) in functions.iter().enumerate() {
            if function.physical_function.is_some() || function.is_bridge() {
                continue;
            }
            match function.virtual_functions {
                None => self.mark(index, Anomaly::VirtualFunctionsUnknown),
                Some(enabled) if self.count_virtual_functions(index) != usize::from(enabled) => {
                    self.mark(index, Anomaly::VirtualFunctionsMissing { enabled });
                }
                Some(_) => {}
            }
        }
    }

    fn count_virtual_functions(&self, physical: usize) -> usize {
        let first = self.nodes.get(physical).map(|node| node.virtual_functions);
        let next = |link: &Link| Some(self.nodes.get(link.get()?)?.next_virtual_function);
        core::iter::successors(first, next).skip(1).count()
    }

    /// Lists each fabric's members, in ascending order, at the function that names them.
    fn fabrics(&mut self) {
        let functions = self.functions;
        for (index, function) in functions.iter().enumerate().rev() {
            let Membership::With(address) = function.fabric else {
                continue;
            };
            let leader = find(functions, address)
                .and_then(|at| Some((at, functions.get(at)?)))
                .filter(|(_, leader)| leader.fabric == function.fabric && leader.physical_function.is_none());
            // A virtual function is joined to others only through its physical function.
            let leader = leader.filter(|_| function.physical_function.is_none());
            let Some((at, _)) = leader else {
                self.mark(index, Anomaly::FabricUnclear(address));
                continue;
            };
            let Some(node) = self.nodes.get_mut(at) else { continue };
            let next = core::mem::replace(&mut node.members, Link::to(index));
            if let Some(node) = self.nodes.get_mut(index) {
                node.next_member = next;
                node.fabric = Link::to(at);
            }
        }
    }

    /// Records for each function the next one for which a quirk forbids a bus reset.
    fn quirks(&mut self) {
        let mut next = Link::NONE;
        for (index, (function, node)) in self.functions.iter().zip(self.nodes.iter_mut()).enumerate().rev() {
            let subject = Subject {
                identity: function.identity,
                class: function.class,
                on_root_bus: node.above.is_none(),
            };
            if decided(RESETS, &subject, Effect::NoBusReset).is_some() {
                next = Link::to(index);
            }
            node.no_bus_reset = next;
        }
    }

    /// Propagates every anomaly to the functions below.
    fn doubts(&mut self) {
        for index in 0..self.nodes.len() {
            // The functions above come first.
            let above = self.above(index).get().and_then(|above| self.nodes.get(above));
            let inherited = above.map_or(Link::NONE, |above| above.doubt);
            if let Some(node) = self.nodes.get_mut(index) {
                node.doubt = match node.anomaly {
                    Some(_) => Link::to(index),
                    None => inherited,
                };
            }
        }
    }
}
