//! The decoder (and the encoder against it) from outside: every test enters by [`feed`].

mod cases;
mod connections;
mod limits;
mod properties;

use tidings_wire::{Decoder, Event, Item};

/// A limit that no stream here reaches.
const AMPLE: usize = 1 << 22;

/// Everything `decoder` has to say about `pieces`, polled empty after each.
fn feed<'a>(decoder: &mut Decoder, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Item> {
    let mut items = Vec::new();
    for piece in pieces {
        decoder.handle_bytes(piece);
        items.extend(std::iter::from_fn(|| decoder.poll_item()));
    }
    items
}

/// An event as an item.
fn event(event_type: &str, data: &str, last_event_id: &str) -> Item {
    let (event_type, data, last_event_id) = (event_type.into(), data.into(), last_event_id.into());
    Item::Event(Event { event_type, data, last_event_id })
}
