# Every resource of Terraform's AWS provider that the server has, in a first and a second version.

variable "api" {
  description = "Where the server's APIs are."
}

variable "version_of_all" {
  description = "1, or 2 for what changes in place."
}

variable "folder" {
  description = "Where the certificates of one's own are."
}

locals {
  second = var.version_of_all == "2"
  tags   = local.second ? { site = "south", owner = "mill" } : { site = "north", stage = "test" }
  text   = local.second ? "second" : "first"
}

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  endpoints {
    iot = var.api
    sts = var.api
  }
  default_tags {
    tags = { made = "by terraform" }
  }
}

data "aws_iot_endpoint" "data" {
  endpoint_type = "iot:Data-ATS"
}

data "aws_iot_registration_code" "code" {}

output "endpoint" {
  value = data.aws_iot_endpoint.data.endpoint_address
}

output "registration_code" {
  value = data.aws_iot_registration_code.code.registration_code
}

resource "aws_iot_thing_type" "lamp" {
  name = "lamp"
  properties {
    description           = "Lamps"
    searchable_attributes = ["room", "side"]
  }
  tags = local.tags
}

resource "aws_iot_thing_type" "old" {
  name       = "old"
  deprecated = local.second
}

resource "aws_iot_thing_group" "house" {
  name = "house"
  properties {
    description = local.text
    attribute_payload {
      attributes = local.second ? { roof = "flat" } : { roof = "steep", floors = "2" }
    }
  }
  tags = local.tags
}

resource "aws_iot_thing_group" "room" {
  name              = "room"
  parent_group_name = aws_iot_thing_group.house.name
  dynamic "properties" {
    for_each = local.second ? [] : [1]
    content {
      attribute_payload {
        attributes = { wall = "white" }
      }
    }
  }
}

resource "aws_iot_billing_group" "costs" {
  name = "costs"
  properties {
    description = local.text
  }
  tags = local.tags
}

resource "aws_iot_thing" "bulb" {
  name            = "bulb"
  thing_type_name = aws_iot_thing_type.lamp.name
  attributes      = local.second ? { room = "2" } : { room = "1", side = "south" }
}

resource "aws_iot_thing" "bare" {
  name            = "bare"
  thing_type_name = local.second ? null : aws_iot_thing_type.lamp.name
}

resource "aws_iot_thing_group_membership" "bulb" {
  thing_name       = aws_iot_thing.bulb.name
  thing_group_name = aws_iot_thing_group.room.name
}

resource "aws_iot_policy" "lamps" {
  name = "lamps"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = local.second ? ["iot:Connect", "iot:Publish"] : ["iot:Connect"]
      Resource = "*"
    }]
  })
  tags = local.tags
}

resource "aws_iot_certificate" "keys" {
  active = true
}

resource "aws_iot_certificate" "request" {
  csr    = file("${var.folder}/request.pem")
  active = !local.second
}

resource "aws_iot_certificate" "alone" {
  certificate_pem = file("${var.folder}/alone.pem")
  active          = true
}

resource "aws_iot_ca_certificate" "key" {
  active                       = true
  allow_auto_registration      = !local.second
  ca_certificate_pem           = file("${var.folder}/ca.pem")
  verification_certificate_pem = file("${var.folder}/verification.pem")
  tags                         = local.tags
}

resource "aws_iot_ca_certificate" "sni" {
  active                  = !local.second
  allow_auto_registration = true
  ca_certificate_pem      = file("${var.folder}/sni-ca.pem")
  certificate_mode        = "SNI_ONLY"
}

resource "aws_iot_certificate" "signed" {
  certificate_pem = file("${var.folder}/signed.pem")
  ca_pem          = aws_iot_ca_certificate.key.ca_certificate_pem
  active          = true
}

resource "aws_iot_policy_attachment" "certificate" {
  policy = aws_iot_policy.lamps.name
  target = aws_iot_certificate.keys.arn
}

resource "aws_iot_policy_attachment" "group" {
  policy = aws_iot_policy.lamps.name
  target = aws_iot_thing_group.house.arn
}

resource "aws_iot_thing_principal_attachment" "bulb" {
  thing     = aws_iot_thing.bulb.name
  principal = aws_iot_certificate.keys.arn
}

resource "aws_iot_event_configurations" "events" {
  event_configurations = {
    "THING"                  = true
    "THING_GROUP"            = local.second
    "THING_TYPE"             = false
    "THING_GROUP_MEMBERSHIP" = false
    "THING_GROUP_HIERARCHY"  = false
    "THING_TYPE_ASSOCIATION" = false
    "JOB"                    = false
    "JOB_EXECUTION"          = false
    "POLICY"                 = false
    "CERTIFICATE"            = false
    "CA_CERTIFICATE"         = false
  }
}

resource "aws_iot_topic_rule" "hot" {
  name        = "hot"
  description = local.text
  enabled     = !local.second
  sql         = "SELECT * FROM 'plant/+/heat' WHERE degrees > ${local.second ? 60 : 50}"
  sql_version = "2016-03-23"
  tags        = local.tags

  republish {
    topic    = "hot/$${topic(2)}"
    role_arn = "arn:aws:iam::000000000000:role/rules"
    qos      = local.second ? 0 : 1
  }

  error_action {
    republish {
      topic    = "failed"
      role_arn = "arn:aws:iam::000000000000:role/rules"
    }
  }
}
