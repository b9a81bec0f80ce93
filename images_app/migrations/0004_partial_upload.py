"""Uploads that arrive in several requests."""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models


IMAGE_MODEL = getattr(settings, "IMAGES_APP_IMAGE_MODEL", "images_app.Image")


class Migration(migrations.Migration):

    dependencies = [
        ('images_app', '0003_sharing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(IMAGE_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PartialUpload',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('public_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True, verbose_name='public id')),
                ('position', models.IntegerField(blank=True, null=True, verbose_name='position')),
                ('duplicates', models.CharField(choices=[('ask', 'ask'), ('add', 'add it again'), ('use', 'use what is there')], default='ask', max_length=3, verbose_name='duplicates')),
                ('metadata', models.CharField(blank=True, max_length=1000, verbose_name='metadata')),
                ('length', models.PositiveBigIntegerField(verbose_name='size in bytes')),
                ('offset', models.PositiveBigIntegerField(default=0, verbose_name='bytes that have arrived')),
                ('storage_alias', models.CharField(editable=False, max_length=100, verbose_name='storage')),
                ('parts', models.JSONField(default=list, editable=False, verbose_name='names in storage')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='begun at')),
                ('touched_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='last moved at')),
                ('gallery', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='images_app.gallery', verbose_name='gallery')),
                ('image', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=IMAGE_MODEL, verbose_name='image')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'partial upload',
                'verbose_name_plural': 'partial uploads',
                'ordering': ['-created_at', '-id'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['touched_at'], name='images_app__touched_ac76e8_idx')],
                'constraints': [models.CheckConstraint(condition=models.Q(('length__gte', 1), ('offset__lte', models.F('length'))), name='images_app_partialupload_ends_at_its_length')],
            },
        ),
    ]
