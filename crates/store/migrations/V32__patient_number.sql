-- Patients by the numbers that institutions gave them: staff name somebody by the number on the chart. It has these rows of the index
-- alone, which are a few a patient.
CREATE INDEX patient_by_number ON idx_token (code) WHERE type = 'Patient' AND param = 'identifier';
