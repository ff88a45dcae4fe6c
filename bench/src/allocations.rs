//! How often memory is asked for.
//!
//! Each thread counts its own at the cost of an increment. The whole process is counted only while somebody wants to know, because
//! a counter that all threads share would slow down what it measures.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

/// The system's allocator, counted.
struct Counting;

/// Every allocation of the process goes through it.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Allocations of this thread.
    static OF_THREAD: Cell<u64> = const { Cell::new(0) };
}

/// Whether the process is counted.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);
/// Allocations of the process while it was counted.
static COUNT: AtomicU64 = AtomicU64::new(0);
/// Bytes asked for while the process was counted.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// What was allocated between two moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocated {
    /// How often.
    pub(crate) count: u64,
    /// How much, whether given back since or not.
    pub(crate) bytes: u64,
}

/// Counts the whole process while it lives. One at a time.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What had been counted before.
    before: Allocated,
}

/// Returns how often the current thread has allocated.
pub(crate) fn of_this_thread() -> u64 {
    OF_THREAD.get()
}

impl Watch {
    /// Begins to count.
    pub(crate) fn begin() -> Self {
        IS_WATCHED.store(true, Relaxed);
        Self {
            before: Allocated::so_far(),
        }
    }

    /// Returns what was allocated since the beginning.
    pub(crate) fn allocated(&self) -> Allocated {
        let now = Allocated::so_far();
        Allocated {
            count: now.count - self.before.count,
            bytes: now.bytes - self.before.bytes,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        IS_WATCHED.store(false, Relaxed);
    }
}

impl Allocated {
    /// Reads the counters.
    fn so_far() -> Self {
        Self {
            count: COUNT.load(Relaxed),
            bytes: BYTES.load(Relaxed),
        }
    }
}

/// Counts one allocation.
fn note(bytes: usize) {
    OF_THREAD.set(OF_THREAD.get() + 1);
    if IS_WATCHED.load(Relaxed) {
        COUNT.fetch_add(1, Relaxed);
        BYTES.fetch_add(bytes as u64, Relaxed);
    }
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call is handed to `System` as it came, under the contract that its caller keeps; counting neither allocates nor
// unwinds (the thread's counter is initialised at compile time and has no destructor).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's obligations are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's obligations are the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's obligations are the same.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's obligations are the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    #[test]
    fn an_allocation_is_counted_for_its_thread_and_while_watched() {
        let (before, watch) = (of_this_thread(), Watch::begin());
        drop(black_box(Box::new([0_u8; 1000])));
        assert_eq!(of_this_thread(), before + 1);
        assert!(watch.allocated().count >= 1 && watch.allocated().bytes >= 1000);
    }
}
