-- Patients by the numbers on their charts: staff name somebody by that. It has these rows of the index alone, which are one a patient.
CREATE INDEX patient_by_number ON idx_token (code) WHERE type = 'Patient' AND param = 'chart-number';
