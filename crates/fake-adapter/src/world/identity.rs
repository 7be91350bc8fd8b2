//! Ids in the provider's shape of 2026 (`elevenlabs-api.md` section 11): a prefix, four digits ending in 01, and 24
//! characters of Crockford's base 32, ordered by time. Here they hold a count as well, so that a conversation is
//! found by its id without an index.

use partyline_domain::ports::NumberProvider;
use partyline_domain::{AgentId, ConversationId, PhoneNumberId};

use crate::random::{Stream, draw};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Milliseconds since 1970 at the beginning of this world's history; ids do not depend on a clock.
const ORIGIN_MILLISECONDS: u64 = 1_790_000_000_000;
const COUNT_AT: usize = 18;
const COUNT_CHARACTERS: usize = 6;
const ID_CHARACTERS: usize = 28;

pub(super) fn agent_id(seed: u64, count: u64) -> AgentId {
    AgentId::parse(&id("agent_", seed, Stream::AgentId, count)).expect("letters and digits")
}

pub(super) fn number_id(seed: u64, count: u64) -> PhoneNumberId {
    PhoneNumberId::parse(&id("phnum_", seed, Stream::NumberId, count)).expect("letters and digits")
}

pub(super) fn conversation_id(seed: u64, count: u64) -> ConversationId {
    ConversationId::parse(&id("conv_", seed, Stream::ConversationId, count)).expect("letters and digits")
}

/// The count in an id that [`conversation_id`] may have made.
pub(super) fn conversation_count(id: &ConversationId) -> Option<usize> {
    let body = id.as_str().strip_prefix("conv_").filter(|body| body.len() == ID_CHARACTERS && body.is_ascii())?;
    body.as_bytes()[COUNT_AT..COUNT_AT + COUNT_CHARACTERS].iter().try_fold(0, |count, character| {
        let value = ALPHABET.iter().position(|known| known == character)?;
        Some(count << 5 | value)
    })
}

/// What the telephony side calls a call.
pub(crate) fn call_sid(seed: u64, provider: &NumberProvider, count: u64) -> String {
    let (high, low) = (draw(seed, Stream::CallSid, 2 * count), draw(seed, Stream::CallSid, 2 * count + 1));
    match provider {
        NumberProvider::Twilio | NumberProvider::Exotel | NumberProvider::Other(_) => {
            let mut text = String::with_capacity(34);
            text.push_str("CA");
            push_base16(&mut text, high);
            push_base16(&mut text, low);
            text
        }
        NumberProvider::SipTrunk => {
            let mut text = String::from("SCL_");
            push_base32(&mut text, high, 12);
            text
        }
    }
}

/// The id under which the provider's support finds a request.
pub(crate) fn request_id(seed: u64, request: u64) -> String {
    let (high, low) = (draw(seed, Stream::RequestId, 2 * request), draw(seed, Stream::RequestId, 2 * request + 1));
    format!("{high:016x}{low:016x}")
}

fn id(prefix: &str, seed: u64, stream: Stream, count: u64) -> String {
    let random = draw(seed, stream, count);
    let mut text = String::with_capacity(prefix.len() + ID_CHARACTERS);
    text.push_str(prefix);
    text.push(digit(random % 10));
    text.push(digit(random / 10 % 10));
    push_base32(&mut text, ORIGIN_MILLISECONDS + count, 10);
    push_base32(&mut text, random >> 34, 6);
    push_base32(&mut text, count, COUNT_CHARACTERS);
    push_base32(&mut text, random >> 14, 4);
    text
}

fn digit(value: u64) -> char {
    char::from(b'0' + u8::try_from(value % 10).expect("one digit"))
}

/// What the machinery of `format!` would take longer for than the rest of a dial.
fn push_base16(text: &mut String, value: u64) {
    for byte in value.to_be_bytes() {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(half)]));
        }
    }
}

/// The lowest `5 * characters` bits.
fn push_base32(text: &mut String, value: u64, characters: usize) {
    for place in (0..characters).rev() {
        let index = usize::try_from(value >> (5 * place) & 31).expect("five bits");
        text.push(char::from(ALPHABET[index]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shape_of_2026_and_differ() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|count| agent_id(1, count)).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            let body = id.as_str().strip_prefix("agent_").expect("the prefix");
            assert_eq!(body.len(), 28);
            assert!(body[..2].bytes().all(|byte| byte.is_ascii_digit()));
            assert_eq!(&body[2..4], "01");
            assert!(body.bytes().all(|byte| ALPHABET.contains(&byte)));
        }
        assert_eq!(number_id(1, 0).as_str().len(), 6 + 28);
        assert_eq!(call_sid(1, &NumberProvider::Twilio, 1).len(), 34);
        assert_eq!(call_sid(1, &NumberProvider::SipTrunk, 1).len(), 16);
        assert_eq!(request_id(1, 1).len(), 32);
    }

    #[test]
    fn a_conversation_is_found_by_its_id() {
        for count in [0, 1, 31, 32, 1_000_000] {
            assert_eq!(conversation_count(&conversation_id(9, count)), usize::try_from(count).ok());
        }
        for foreign in ["conv_1", "conv_0401m4hhqxqtfrjrvguuuuuuks03", "phnum_1"] {
            assert_eq!(conversation_count(&ConversationId::parse(foreign).expect("an id")), None, "{foreign}");
        }
    }
}
