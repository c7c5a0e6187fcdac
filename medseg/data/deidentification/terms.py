"""Words that a technical fact may hold: names of makers, parts of the body, and ways in which images are made."""

from __future__ import annotations

_MAKERS = """
agfa bruker canon carestream elekta esaote fuji fujifilm ge hitachi hologic kodak konica minolta marconi mindray
neusoft philips picker planmeca samsung shimadzu siemens sirona sonoscape swissray toshiba uih varian
"""
_COMPANY = """
ag best bv co company corp corporation electric general gmbh health healthcare healthineers imaging inc ltd medical
medison nederland nv systems technologies united
"""
_BODY_PARTS = """
ABDOMEN ABDOMENPELVIS ADRENAL ANKLE AORTA ARM BLADDER BRAIN BREAST BRONCHUS CAROTID CEREBELLUM CHEST CHESTABDOMEN
CHESTABDPELVIS CLAVICLE COCCYX COLON CSPINE CTSPINE DUODENUM EAR ELBOW ESOPHAGUS EXTREMITY EYE FEMUR FINGER FOOT
GALLBLADDER HAND HEAD HEADNECK HEART HIP HUMERUS JAW KIDNEY KNEE LARYNX LEG LIVER LSPINE LSSPINE LUNG MANDIBLE
MAXILLA MEDIASTINUM NECK NOSE ORBIT PANCREAS PELVIS PROSTATE RECTUM RIB SACRUM SCAPULA SHOULDER SINUS SKULL SPINE
SPLEEN SSPINE STERNUM STOMACH TESTIS THIGH THORAX THYROID TOE TRACHEA TSPINE UTERUS WHOLEBODY WRIST
"""
_IMAGE_TYPES = """
ORIGINAL DERIVED PRIMARY SECONDARY AXIAL LOCALIZER MPR OTHER NONE M P R I M_FFE M_SE M_IR T1 T2 ADC FA DIFFUSION
NORM ND DIS2D DIS3D MIP REFORMATTED PROJECTION VOLUME RESAMPLED FAT WATER IN_PHASE OUT_PHASE MEAN
"""

MAKERS = frozenset(_MAKERS.split())
COMPANY = frozenset(_COMPANY.split())
BODY_PARTS = frozenset(_BODY_PARTS.split())  # terms of PS3.16 Annex L that archives use
IMAGE_TYPES = frozenset(_IMAGE_TYPES.split())
