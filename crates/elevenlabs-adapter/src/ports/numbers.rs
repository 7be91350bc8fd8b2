//! Numbers.

use async_trait::async_trait;
use partyline_domain::ports::{AssignNumber, Number, Numbers};
use partyline_domain::{PhoneNumberId, ProviderError};

use super::found;
use crate::classify::{self, Purpose};
use crate::convert::{self, Unusable};
use crate::elevenlabs::{ElevenLabs, Query, understood};
use crate::wire::{self, Object};

const LIST: &str = "/v1/convai/phone-numbers";
const ONE: &str = "/v1/convai/phone-numbers/{id}";

/// The number in an answer about the number `asked`.
fn number(asked: &PhoneNumberId, Object(number): Object<wire::Number>) -> Result<Number, Unusable> {
    convert::about(asked, convert::number(number)?, |number| &number.id)
}

#[async_trait]
impl Numbers for ElevenLabs {
    async fn number(&self, id: &PhoneNumberId) -> Result<Option<Number>, ProviderError> {
        match found(self.read(ONE, id.as_str(), &Query::new()).await)? {
            Some(answer) => understood(Purpose::Read, &answer, |answer| number(id, answer)).map(Some),
            None => Ok(None),
        }
    }

    async fn numbers(&self) -> Result<Vec<Number>, ProviderError> {
        let answer = self.read(LIST, "", &Query::new()).await?;
        understood(Purpose::Read, &answer, |list| Ok(convert::numbers(list)))
    }

    async fn assign(&self, order: &AssignNumber) -> Result<Number, ProviderError> {
        let body = convert::assign_body(order.agent.as_ref()).map_err(|why| classify::not_built(&why.to_string()))?;
        let answer = self.patch(ONE, order.number.as_str(), body, order.not_after).await?;
        understood(Purpose::Assign, &answer, |answer| number(&order.number, answer))
    }
}
