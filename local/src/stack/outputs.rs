//! The outputs of a stack: CloudFormation's `DescribeStacks` in its query protocol, and the XML of
//! its response.
//!
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html>

use std::collections::BTreeMap;
use std::time::Duration;

use aws_smithy_xml::decode::{Document, StartEl, XmlDecodeError, try_data};

use super::caller::{Answer, Call, Caller};
use super::error::StackError;
use super::service::Service;

const VERSION: &str = "2010-05-15";
const WITHIN: Duration = Duration::from_secs(20);
/// A stack has at most 200 outputs and 200 parameters with 4 KB each.
const LARGEST: usize = 4 * 1024 * 1024;
/// CloudFormation's error code for an unknown stack, and for other errors.
const INVALID: &str = "ValidationError";

/// A stack's outputs.
#[derive(Debug)]
pub(super) struct Outputs {
    stack: String,
    description: Description,
}

/// The relevant part of a stack's description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Description {
    status: String,
    outputs: BTreeMap<String, String>,
}

/// The error of an error response.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    code: String,
    message: String,
}

/// Requests the outputs of a stack.
///
/// # Errors
/// [`StackError`].
pub(super) async fn of_stack(caller: &Caller, stack: &str) -> Result<Outputs, StackError> {
    let answer = caller.send(&question(stack)).await?;
    let senseless = || StackError::Senseless {
        service: Service::CloudFormation.name(),
        endpoint: caller.endpoint(Service::CloudFormation),
    };
    let text = std::str::from_utf8(&answer.body).map_err(|_| senseless())?;
    if answer.status != 200 {
        return Err(refused(&answer, text, stack, &caller.region));
    }
    let description = description(text).ok().flatten().ok_or_else(senseless)?;
    Ok(Outputs { stack: stack.to_owned(), description })
}

impl Outputs {
    /// The value of an output.
    ///
    /// # Errors
    /// [`StackError::NoOutput`].
    pub(super) fn get(&self, output: &'static str) -> Result<&str, StackError> {
        let Description { status, outputs } = &self.description;
        let missing =
            || StackError::NoOutput { stack: self.stack.clone(), output, status: status.clone() };
        outputs.get(output).map(String::as_str).ok_or_else(missing)
    }

    /// The value of an output that a stack has only in some forms.
    pub(super) fn find(&self, output: &str) -> Option<&str> {
        self.description.outputs.get(output).map(String::as_str)
    }
}

fn question(stack: &str) -> Call {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("Action", "DescribeStacks");
    body.append_pair("Version", VERSION).append_pair("StackName", stack);
    Call {
        service: Service::CloudFormation,
        path: "/".to_owned(),
        content_type: "application/x-www-form-urlencoded",
        body: body.finish().into_bytes(),
        within: WITHIN,
        largest: LARGEST,
    }
}

fn refused(answer: &Answer, text: &str, stack: &str, region: &str) -> StackError {
    let Refusal { code, message } = refusal(text);
    if code == INVALID && message.contains("does not exist") {
        return StackError::Unknown { stack: stack.to_owned(), region: region.to_owned() };
    }
    let service = Service::CloudFormation.name();
    StackError::Refused { service, status: answer.status, code, message }
}

/// The stack in a response; `None` if the document is something else.
fn description(xml: &str) -> Result<Option<Description>, XmlDecodeError> {
    let (mut status, mut outputs) = (None, BTreeMap::new());
    let (mut key, mut value) = (None, None);
    let mut document = Document::new(xml);
    while let Some(element) = document.next_start_element() {
        match element.local() {
            "StackStatus" => status = Some(text(&mut document, element)?),
            "OutputKey" => key = Some(text(&mut document, element)?),
            "OutputValue" => value = Some(text(&mut document, element)?),
            _ => {}
        }
        if key.is_some() && value.is_some() {
            outputs.extend(key.take().zip(value.take()));
        }
    }
    Ok(status.map(|status| Description { status, outputs }))
}

/// The error in a document. A proxy may answer too, with other documents.
fn refusal(xml: &str) -> Refusal {
    let mut refusal = Refusal { code: "none".to_owned(), message: "none".to_owned() };
    let mut document = Document::new(xml);
    while let Some(element) = document.next_start_element() {
        let said = match element.local() {
            "Code" => &mut refusal.code,
            "Message" => &mut refusal.message,
            _ => continue,
        };
        if let Ok(text) = text(&mut document, element) {
            *said = text;
        }
    }
    refusal
}

/// The text of an element, without the elements after it.
fn text<'a>(document: &mut Document<'a>, element: StartEl<'a>) -> Result<String, XmlDecodeError> {
    Ok(try_data(&mut document.scoped_to(element))?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0"?>
<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
  <DescribeStacksResult><Stacks><member>
    <StackName>drover</StackName>
    <Parameters><member><ParameterKey>Topics</ParameterKey><ParameterValue/></member></Parameters>
    <Outputs>
      <member><OutputKey>ApiUrl</OutputKey><Description>the API</Description>
        <OutputValue>https://a.example/?b=1&amp;c=2</OutputValue></member>
      <member><OutputKey>Empty</OutputKey><OutputValue></OutputValue></member>
      <member>
        <ExportName>drover-LedgerTable</ExportName>
        <OutputKey>LedgerTable</OutputKey>
        <OutputValue>state-Ledger-1A2B</OutputValue>
      </member>
    </Outputs>
    <StackStatus>UPDATE_COMPLETE</StackStatus>
  </member></Stacks></DescribeStacksResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</DescribeStacksResponse>"#;

    #[test]
    fn outputs_are_read_and_unescaped() {
        let description = description(ANSWER).unwrap().unwrap();
        assert_eq!(description.status, "UPDATE_COMPLETE");
        let outputs = [
            ("ApiUrl", "https://a.example/?b=1&c=2"),
            ("Empty", ""),
            ("LedgerTable", "state-Ledger-1A2B"),
        ];
        let outputs = outputs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(description.outputs, BTreeMap::from(outputs));
    }

    #[test]
    fn a_stack_without_outputs_is_valid() {
        let xml = "<A><Stacks><member><StackStatus>CREATE_IN_PROGRESS</StackStatus></member></Stacks></A>";
        let expected =
            Description { status: "CREATE_IN_PROGRESS".to_owned(), ..Default::default() };
        assert_eq!(description(xml).unwrap(), Some(expected));
    }

    #[test]
    fn another_document_is_not_a_stack() {
        for text in ["", "{}", "<html><p>Sign in<br></p></p></html>", "<a></b></a></a>", "<a"] {
            assert!(matches!(description(text), Ok(None) | Err(_)), "{text}");
        }
    }

    #[test]
    fn a_name_cannot_add_parameters_to_the_request() {
        let body = String::from_utf8(question("a&Action=DeleteStack").body).unwrap();
        let expected =
            "Action=DescribeStacks&Version=2010-05-15&StackName=a%26Action%3DDeleteStack";
        assert_eq!(body, expected);
    }

    #[test]
    fn an_unknown_stack_is_distinguished_from_other_errors() {
        let answer =
            |status| Answer { status, function_failed: false, error_type: None, body: Vec::new() };
        let unknown = "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x \
                       does not exist</Message></Error></ErrorResponse>";
        let error = refused(&answer(400), unknown, "x", "eu-central-1");
        assert!(matches!(error, StackError::Unknown { .. }), "{error}");
        let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not &lt;you&gt;\
                      </Message></Error></ErrorResponse>";
        let error = refused(&answer(403), denied, "x", "eu-central-1").to_string();
        let expected = "CloudFormation rejected the request: status=`403`, code=`AccessDenied`, \
            message=`not <you>`";
        assert_eq!(error, expected);
        let error = refused(&answer(502), "<html><p>bad gateway", "x", "eu-central-1").to_string();
        let expected =
            "CloudFormation rejected the request: status=`502`, code=`none`, message=`none`";
        assert_eq!(error, expected);
    }
}
