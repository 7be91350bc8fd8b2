//! Dialling. Nothing here is ever repeated.

use async_trait::async_trait;
use partyline_domain::ProviderError;
use partyline_domain::ports::{DialAnswer, DialRequest, Dialer, NumberProvider};
use tracing::warn;

use crate::classify::{self, Purpose};
use crate::convert;
use crate::elevenlabs::{ElevenLabs, understood};
use crate::wire::Object;

/// The route for a number's provider. A wrong one is refused with advice to delete the number
/// (`elevenlabs-api.md` section 3), so none is guessed.
fn route(provider: &NumberProvider) -> Result<&'static str, ProviderError> {
    match provider {
        NumberProvider::Twilio => Ok("/v1/convai/twilio/outbound-call"),
        NumberProvider::SipTrunk => Ok("/v1/convai/sip-trunk/outbound-call"),
        NumberProvider::Exotel => Ok("/v1/convai/exotel/outbound-call"),
        NumberProvider::Other(word) => {
            let word = crate::text::presentable(word);
            Err(classify::not_built(&format!("no route is known for a number of the kind {word:?}")))
        }
    }
}

#[async_trait]
impl Dialer for ElevenLabs {
    async fn dial(&self, request: &DialRequest) -> Result<DialAnswer, ProviderError> {
        let route = route(&request.provider)?;
        if request.options.recording.is_some() && request.provider != NumberProvider::Twilio {
            warn!(provider = request.provider.as_str(), "recording can be set for Twilio numbers only; left out");
        }
        let body = convert::dial_body(request).map_err(|why| classify::not_built(&why.to_string()))?;
        let ringing = request.options.ringing_timeout.duration();
        let answer = self.post_dial(route, body, ringing, request.not_after).await?;
        understood(Purpose::Dial, &answer, |Object(answer)| convert::dial_answer(answer))
    }
}
