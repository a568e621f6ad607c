# Who looks at another's records, and why: roles, what is done, purposes, reasons of refusal.

role-representative = representative
role-support = staff of the support centre
role-clinician = clinician
role-pharmacist = pharmacist
role-researcher = researcher
role-steward = data steward
role-security-officer = security officer
role-auditor = auditor
role-administrator = administrator of rights
action-manage-consent = managing consents
action-appoint = naming a representative
action-record-proof = checking a representative's papers
action-ask-ground = asking for access
action-confirm-ground = confirming access
action-break-glass = starting emergency access
action-review-glass = reviewing emergency access
action-oversee = seeing what access is open
action-manage-rights = giving and taking rights
purpose-representation = as a representative
purpose-application = to handle an application
purpose-care = for treatment
purpose-dispensing = to fill a prescription
purpose-migration = to check records that were moved here
purpose-emergency = for treatment in an emergency
purpose-oversight = to watch over access
denial-ground = no application, visit, consent or prescription is open
